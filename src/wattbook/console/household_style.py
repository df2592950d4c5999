"""What the page of a house adds to the look of all pages."""

from typing import Final

HOUSE_CSS: Final = """
.wb-months { display: flex; align-items: center; gap: 4px; background: var(--wb-card); border: 1px solid var(--wb-line);
  border-radius: 9px; padding: 3px; font-size: 13px; font-weight: 550; white-space: nowrap; }
.wb-months .wb-month { padding: 4px 8px; }
.wb-page a { color: var(--wb-good); text-decoration: none; }
.wb-page a:hover { text-decoration: underline; }
.wb-months a { color: var(--wb-soft); padding: 4px 9px; border-radius: 7px; line-height: 1.4; }
.wb-months a:hover { color: var(--wb-ink); background: var(--wb-hover); text-decoration: none; }
.wb-link { font-size: 12.5px; font-weight: 500; }
.wb-warning { background: var(--wb-warn-tint); color: var(--wb-warn); border-radius: 10px; padding: 10px 16px;
  margin-bottom: 16px; font-weight: 500; font-size: 13.5px; }
.wb-three { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 16px; margin-bottom: 16px; }
.wb-item { padding: 9px 0; border-bottom: 1px solid var(--wb-line); }
.wb-item:last-child { border-bottom: 0; padding-bottom: 0; }
.wb-item-head, .wb-item-note { display: flex; align-items: baseline; gap: 9px; }
.wb-item-head .wb-first { white-space: nowrap; }
.wb-item-note { justify-content: space-between; padding-top: 3px; font-size: 13px; }
.wb-item-notes { display: flex; align-items: baseline; gap: 9px; flex-wrap: wrap; padding-top: 1px; }
.wb-list { max-height: 560px; overflow-y: auto; }
.wb-month-chart { flex: 1; height: auto; min-height: 330px; width: 100%; }
.wb-day-chart { height: 210px; width: 100%; }
.wb-day { margin-bottom: 16px; }

@media (max-width: 1020px) { .wb-three { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 700px) {
  .wb-header { flex-wrap: wrap; }
  .wb-tile .wb-value { font-size: 23px; }
  .wb-tile { min-height: 116px; }
}
"""
