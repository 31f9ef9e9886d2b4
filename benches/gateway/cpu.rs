//! Who runs on which core, and how long.

use std::fs;
use std::process::Command;

/// One core for Envoy, another for everything else: clients, endpoint and services.
#[derive(Clone, Copy)]
pub struct Cores {
    envoy: usize,
    rest: usize,
}

impl Cores {
    /// Of those that this process may use the last and the first; `None`: there are not two.
    pub fn choose() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let list = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let mut cores = list.unwrap().trim().split(',').flat_map(|range| {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            from.parse().unwrap()..=to.parse::<usize>().unwrap()
        });
        let rest = cores.next()?;
        let envoy = cores.last()?;
        Some(Self { envoy, rest })
    }

    /// Keeps this process to its core. What it starts is there too, until it is moved.
    pub fn keep_self(self) {
        pin(std::process::id(), self.rest);
    }

    /// Moves an Envoy to its core.
    pub fn move_envoy(self, pid: u32) {
        pin(pid, self.envoy);
    }
}

fn pin(pid: u32, core: usize) {
    // `-a`: all threads.
    let output = Command::new("taskset")
        .args(["-a", "-c", "-p", &core.to_string(), &pid.to_string()])
        .output()
        .expect("cannot run taskset, of util-linux");
    assert!(output.status.success(), "{output:?}");
}

/// The CPU time, user's and system's, that all threads of a process have used, in microseconds.
pub fn micros(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let nanos = tasks.map(|task| {
        // The time on the CPU in nanoseconds comes first; /proc/PID/stat counts hundredths.
        let text = fs::read_to_string(task.unwrap().path().join("schedstat"));
        let text = text.expect("the kernel counts no CPU time (CONFIG_SCHED_INFO)");
        text.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    nanos.sum::<u64>() as f64 / 1000.0
}
