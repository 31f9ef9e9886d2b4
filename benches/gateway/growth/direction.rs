//! Gateways that differ in how much of one thing there is.

use std::sync::Arc;

use super::{Curve, Found};
use crate::cpu::Cores;
use crate::endpoint::Endpoint;
use crate::gateway::Setup;
use crate::others;
use crate::rounds::{self, Subject, Turns};
use crate::statistics::Spread;
use crate::traffic::Traffic;

/// One thing that grows.
pub struct Direction {
    pub title: &'static str,
    pub points: Vec<Point>,
}

/// So much of it.
pub struct Point {
    pub label: String,
    pub setup: Setup,
    pub traffic: Arc<Traffic>,
}

impl Direction {
    /// Each point is compared with an Envoy without a filter that gets the same requests and has as
    /// many workers.
    pub async fn follow(self, endpoint: &Endpoint, turns: Turns, cores: Option<Cores>) -> Curve {
        let mut subjects = Vec::new();
        for point in self.points {
            let bare = Setup {
                workers: point.setup.workers,
                ..others::nothing()
            };
            let setup = Setup {
                endpoint: Some(endpoint.address),
                ..point.setup
            };
            for (label, setup) in [(String::new(), bare), (point.label, setup)] {
                subjects.push(Subject::start(label, setup, &point.traffic, cores).await);
            }
        }
        let groups: Vec<Vec<_>> = subjects
            .chunks(2)
            .map(|pair| pair.iter().collect())
            .collect();
        let samples = rounds::run(&groups, endpoint, turns).await;
        let points = groups.iter().zip(&samples).map(|(pair, samples)| Found {
            label: pair[1].name.clone(),
            ratio: Spread::of_ratios(&samples[1].cpu, &samples[0].cpu),
            memory: pair[1].gateway.memory() / 1000,
        });
        let points = points.collect();
        Curve {
            title: self.title,
            points,
        }
    }
}
