//! What is made of many samples.

/// What is at that share of the samples, in order.
pub fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() - 1) as f64 * share;
    sorted[place.round() as usize]
}

pub fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}

/// A median with the quartiles around it.
#[derive(Clone, Copy)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    pub fn of(samples: &[f64]) -> Self {
        Self {
            low: quantile(samples, 0.25),
            median: median(samples),
            high: quantile(samples, 0.75),
        }
    }

    /// Of each sample as a ratio to the one that was taken directly before or after it: a slow moment
    /// of the machine is in both, or else the median leaves it out.
    pub fn of_ratios(samples: &[f64], bases: &[f64]) -> Self {
        let ratios = samples.iter().zip(bases).map(|(own, base)| own / base);
        Self::of(&ratios.collect::<Vec<_>>())
    }
}
