//! The one line that every benchmark ends with.

use serde_json::{Value, json};

/// Prints `{"name", "figures", "limit", "ratio", "seed", "machine"}`.
pub fn print(name: &str, figures: Value, limit: Value, ratio: Value, seed: u64) {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .map(|l| l.trim_start_matches([' ', '\t', ':']).to_owned())
        .unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, |n| n.get());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let machine = json!({ "cores": cores, "cpu": model, "kernel": kernel.trim() });
    println!(
        "{}",
        json!({ "name": name, "figures": figures, "limit": limit, "ratio": ratio, "seed": seed, "machine": machine })
    );
}

/// The value at a share of the sorted list.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
