//! Each line of standard input is a job: a tariff, a record, a time zone, and how often to price it.
//! Each line of standard output is its answer: the totals before and after tax, or what went wrong, and the time it took.
//! The time is that of pricing alone, of the processor: the JSON of both objects is parsed before the clock starts.

use std::io::{self, BufRead, Write};

use chrono_tz::Tz;
use cpu_time::ProcessTime;
use ocpi_tariffs::{cdr, price, tariff, Version};
use serde_json::{json, Value};

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let job: Value = serde_json::from_str(&line?)?;
        let answer = answer(&job).unwrap_or_else(|error| json!({ "error": error }));
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn answer(job: &Value) -> Result<Value, String> {
    let text = |name: &str| job[name].as_str().ok_or(format!("{name} is missing"));
    let zone: Tz = text("zone")?.parse().map_err(|_| "unknown time zone")?;
    let record = cdr::parse_with_version(text("record")?, Version::V221).map_err(|e| e.to_string())?;
    let record = record.cdr;
    let once = || {
        let by = tariff::parse_with_version(text("tariff")?, Version::V221).map_err(|e| e.to_string())?;
        Ok::<_, String>(price::TariffSource::single(by.tariff))
    };
    let mut sources = Vec::new();
    for _ in 0..job["times"].as_u64().unwrap_or(1) {
        sources.push(once()?);
    }
    let begun = ProcessTime::now();
    let mut report = None;
    for source in sources {
        let priced = cdr::price(&record, source, zone).map_err(|set| {
            let (error, _) = set.into_parts();
            format!("{}: {}", error.element().path(), error.warning())
        })?;
        report = Some(priced);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (report, _warnings) = report.ok_or("priced no time")?.into_parts();
    let total = report.total_cost.calculated;
    Ok(json!({
        "before": total.as_ref().map(|price| price.excl_vat.to_string()),
        "after": total.as_ref().and_then(|price| price.incl_vat.as_ref().map(ToString::to_string)),
        "seconds": seconds,
    }))
}
