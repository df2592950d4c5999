"""How the pages look: one sheet, two themes, fonts that every system has or the page brings along."""

from typing import Final

DRAWN: Final = "#1f9d7a"
FED_IN: Final = "#e2a32b"
RUNNING: Final = "#9bd8c5"

FAVICON: Final = """
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#12805f"/>
<path d="M17.6 5 8.5 18.2h6.2L13.6 27l9.9-13.6h-6.7z" fill="#fff"/></svg>
"""

LOGO: Final = """
<svg width="34" height="34" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" fill="#12805f"/>
<path d="M17.6 5 8.5 18.2h6.2L13.6 27l9.9-13.6h-6.7z" fill="#fff"/></svg>
"""

CSS: Final = """
:root {
  --wb-page: #f5f6f8; --wb-card: #ffffff; --wb-line: #e5e8ed; --wb-hover: #f8f9fb;
  --wb-ink: #131a22; --wb-soft: #5d6876; --wb-faint: #8a94a1;
  --wb-good: #12805f; --wb-good-tint: #e5f4ee; --wb-bad: #c0351d; --wb-bad-tint: #fbe9e5;
  --wb-busy: #2563c9; --wb-busy-tint: #e6eefb; --wb-warn: #9a6700; --wb-warn-tint: #fbf1da;
  --wb-quiet-tint: #eef0f3; --wb-shadow: 0 1px 2px rgba(16, 24, 40, .05);
}
.body--dark {
  --wb-page: #0d1116; --wb-card: #151b22; --wb-line: #252d37; --wb-hover: #1a2129;
  --wb-ink: #e7ecf2; --wb-soft: #9aa6b4; --wb-faint: #76828f;
  --wb-good: #4cc9a0; --wb-good-tint: #12302a; --wb-bad: #ff8a73; --wb-bad-tint: #3a1c17;
  --wb-busy: #7fb0ff; --wb-busy-tint: #17273f; --wb-warn: #e8bd5a; --wb-warn-tint: #33290f;
  --wb-quiet-tint: #212932; --wb-shadow: none;
}
body, body.body--dark {
  background: var(--wb-page); color: var(--wb-ink); font-size: 14px; line-height: 1.45;
  font-family: Inter, -apple-system, "Segoe UI Variable Text", "Segoe UI", Roboto, "Noto Sans KR", "Noto Sans CJK KR",
    "Apple SD Gothic Neo", "Malgun Gothic", sans-serif;
  font-variant-numeric: tabular-nums; -webkit-font-smoothing: antialiased;
}
.nicegui-content { padding: 0; gap: 0; align-items: stretch; }
.wb-page { max-width: 1360px; width: 100%; margin: 0 auto; padding: 22px 28px 40px; box-sizing: border-box; }
.wb-page * { box-sizing: border-box; }

.wb-header { display: flex; align-items: center; gap: 14px; margin-bottom: 22px; }
.wb-logo { line-height: 0; }
.wb-name { font-size: 19px; font-weight: 650; letter-spacing: -.01em; line-height: 1.2; }
.wb-role { color: var(--wb-soft); font-size: 13px; }
.wb-space { flex: 1; }
.wb-now { color: var(--wb-soft); font-size: 13px; text-align: right; }
.wb-theme { color: var(--wb-soft); cursor: pointer; padding: 8px; border-radius: 9px; border: 1px solid var(--wb-line);
  background: var(--wb-card); line-height: 0; }
.wb-theme:hover { color: var(--wb-ink); }

.wb-trouble { background: var(--wb-bad-tint); color: var(--wb-bad); border-radius: 10px; padding: 11px 16px;
  margin-bottom: 16px; font-weight: 500; }

.wb-tiles { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 16px; margin-bottom: 16px; }
.wb-wide { display: grid; grid-template-columns: minmax(0, 1.9fr) minmax(0, 1fr); gap: 16px; margin-bottom: 16px; }
.wb-card { background: var(--wb-card); border: 1px solid var(--wb-line); border-radius: 14px; padding: 18px 20px;
  box-shadow: var(--wb-shadow); min-width: 0; }
.wb-tile { display: flex; flex-direction: column; min-height: 124px; }
.wb-title { color: var(--wb-soft); font-size: 13px; font-weight: 500; }
.wb-figure { display: flex; align-items: baseline; gap: 7px; margin-top: 8px; white-space: nowrap; }
.wb-value { font-size: 32px; font-weight: 600; letter-spacing: -.025em; line-height: 1.15; }
.wb-unit { font-size: 15px; color: var(--wb-soft); font-weight: 500; }
.wb-note { color: var(--wb-soft); font-size: 13px; margin-top: auto; padding-top: 8px; }
.wb-good { color: var(--wb-good); }
.wb-bad { color: var(--wb-bad); }
.wb-waiting { color: var(--wb-faint); }

.wb-head { display: flex; align-items: baseline; gap: 10px; margin-bottom: 12px; }
.wb-section { font-size: 15px; font-weight: 600; letter-spacing: -.005em; }
.wb-aside { color: var(--wb-faint); font-size: 12.5px; }
.wb-plot { display: flex; flex-direction: column; }
.wb-chart { flex: 1; height: auto; min-height: 264px; width: 100%; }

.wb-ledger { display: grid; grid-template-columns: 1fr auto; row-gap: 7px; font-size: 13.5px; }
.wb-ledger .wb-sum { border-top: 1px solid var(--wb-line); padding-top: 7px; font-weight: 600; }
.wb-ledger .wb-number { text-align: right; padding-left: 12px; white-space: nowrap; }
.wb-ledger .wb-words { color: var(--wb-soft); }
.wb-ledger .wb-gap { grid-column: 1 / -1; height: 5px; }
.wb-rules { display: flex; flex-wrap: wrap; gap: 5px; margin-top: 16px; }

.wb-chip { display: inline-flex; align-items: center; gap: 5px; border-radius: 999px; padding: 2px 9px;
  font-size: 12px; font-weight: 500; line-height: 1.5; white-space: nowrap; margin-right: 4px;
  background: var(--wb-quiet-tint); color: var(--wb-soft); }
.wb-chip--good { background: var(--wb-good-tint); color: var(--wb-good); }
.wb-chip--busy { background: var(--wb-busy-tint); color: var(--wb-busy); }
.wb-chip--warn { background: var(--wb-warn-tint); color: var(--wb-warn); }
.wb-chip--bad { background: var(--wb-bad-tint); color: var(--wb-bad); }
.wb-rules .wb-chip { margin: 0; font-size: 11.5px; padding: 1px 8px; }

.wb-table { margin: 0 -8px; background: transparent; box-shadow: none; }
.wb-table .q-table { font-size: 13.5px; }
.wb-table.q-table__card, .wb-table.q-table--dark { background: transparent; color: inherit; box-shadow: none; }
.wb-table .q-table { border-collapse: separate; }
.wb-table thead tr { height: 30px; }
.wb-table thead th { color: var(--wb-faint); font-size: 12px; font-weight: 500; padding: 6px 8px; height: 30px;
  border-color: var(--wb-line); }
.wb-table tbody td { padding: 9px 8px; height: 50px; border-color: var(--wb-line); font-size: 13.5px; }
.wb-table tbody tr:last-child td { border-bottom: 0; }
.wb-table tbody td:before { display: none; }
.wb-table tbody tr:hover { background: var(--wb-hover); }
.wb-table .q-table__bottom { color: var(--wb-soft); border-color: var(--wb-line); min-height: 40px; padding: 4px 8px; }
.wb-table .q-table__bottom--nodata { border: 0; padding: 0 8px; }
.wb-first { font-weight: 550; }
.wb-second { color: var(--wb-faint); font-size: 12.5px; }
.wb-table .wb-apart { padding-left: 36px; }
.wb-bar { flex: 1; max-width: 220px; height: 6px; border-radius: 3px; background: var(--wb-quiet-tint);
  min-width: 70px; overflow: hidden; }
.wb-bar > div { height: 100%; border-radius: 3px; background: var(--wb-busy); }
.wb-progress { display: flex; align-items: center; gap: 10px; }
.wb-progress > span { min-width: 42px; text-align: right; }
.wb-empty { color: var(--wb-soft); padding: 20px 0 22px; font-size: 13.5px; white-space: normal; }

.wb-refusal { padding: 10px 0; border-bottom: 1px solid var(--wb-line); }
.wb-refusal:last-child { border-bottom: 0; padding-bottom: 0; }
.wb-refusal-head { display: flex; align-items: baseline; gap: 8px; }
.wb-refusal .wb-note { padding-top: 3px; overflow-wrap: anywhere; }
.wb-footer { color: var(--wb-faint); font-size: 12.5px; display: flex; gap: 18px; flex-wrap: wrap; padding: 6px 2px; }

@media (max-width: 1020px) {
  .wb-tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .wb-wide { grid-template-columns: minmax(0, 1fr); }
}
@media (max-width: 560px) {
  .wb-page { padding: 16px 14px 28px; }
  .wb-tiles { gap: 10px; }
  .wb-card { padding: 14px 15px; }
  .wb-value { font-size: 25px; }
}
"""
