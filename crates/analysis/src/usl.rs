//! How throughput grows with load, and where it stops growing.
//!
//! The Universal Scalability Law (Gunther 1993; *Guerrilla Capacity Planning*, 2007) gives the
//! throughput at `N` concurrent requests as
//!
//! `X(N) = λN / (1 + σ(N − 1) + κN(N − 1))`
//!
//! where `λ` is the throughput of one request at a time, `σ` the share of work that only one can do
//! at a time, and `κ` what pairs of requests cost each other. With `κ > 0` there is a peak.

/// The fewest different loads a fit takes: one more than it has parameters.
pub const LOADS_MIN: usize = 4;

/// One point of a sweep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Requests in flight.
    pub concurrency: f64,
    /// The throughput reached, in any unit.
    pub throughput: f64,
}

/// Why a sweep cannot be fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UslError {
    /// It has too few different loads.
    #[error("a scalability fit takes at least {LOADS_MIN} different loads, not {distinct}")]
    TooFewLoads {
        /// How many it has.
        distinct: usize,
    },
    /// A load or a throughput is not a positive number.
    #[error("loads and throughputs must be positive")]
    NotPositive,
}

/// A fitted capacity curve.
#[derive(Clone, Debug, PartialEq)]
pub struct UslFit {
    /// `λ`, throughput at a load of one.
    pub lambda: f64,
    /// `σ`, contention.
    pub sigma: f64,
    /// `κ`, coherency.
    pub kappa: f64,
    /// Measured less fitted throughput at each load, in the order given.
    pub residuals: Vec<f64>,
    /// The share of the throughputs' variance that the curve explains.
    pub r_squared: f64,
}

impl UslFit {
    /// The throughput expected at a load.
    #[must_use]
    pub fn throughput(&self, concurrency: f64) -> f64 {
        curve([self.lambda, self.sigma, self.kappa], concurrency)
    }

    /// The load of greatest throughput, `√((1 − σ)/κ)`, at least 1; `None` where throughput never
    /// falls (`κ = 0`).
    #[must_use]
    pub fn peak(&self) -> Option<f64> {
        (self.kappa > 0.0).then(|| ((1.0 - self.sigma).max(0.0) / self.kappa).sqrt().max(1.0))
    }

    /// The load past which more of it costs more latency than it gains throughput: where Kleinrock's
    /// power, throughput over response time, is greatest. Response time is `N / X(N)` by Little's
    /// law, so the power is `X(N)² / N`, and setting its derivative to zero gives
    /// `3κN² + (σ − κ)N − (1 − σ) = 0`. At least 1; `None` where power only grows (`σ = κ = 0`).
    #[must_use]
    pub fn knee(&self) -> Option<f64> {
        let (sigma, kappa) = (self.sigma, self.kappa);
        let serial = (1.0 - sigma).max(0.0);
        let knee = if kappa > 0.0 {
            let linear = sigma - kappa;
            ((linear * linear + 12.0 * kappa * serial).sqrt() - linear) / (6.0 * kappa)
        } else if sigma > 0.0 {
            serial / sigma
        } else {
            return None;
        };
        Some(knee.max(1.0))
    }
}

/// Fits the law to a sweep by least squares over throughput, with `σ` and `κ` held at zero or above.
///
/// The constrained optimum is either the unconstrained one or lies on a face where one or both are
/// zero, so each of the four is solved (Levenberg–Marquardt) and the best admissible one taken.
///
/// # Errors
/// Where the sweep has too few different loads, or a value that is not positive.
pub fn fit(loads: &[Load]) -> Result<UslFit, UslError> {
    let is_positive = |value: f64| value.is_finite() && value > 0.0;
    if !loads.iter().all(|load| is_positive(load.concurrency) && is_positive(load.throughput)) {
        return Err(UslError::NotPositive);
    }
    let mut different: Vec<f64> = loads.iter().map(|load| load.concurrency).collect();
    different.sort_unstable_by(f64::total_cmp);
    different.dedup();
    if different.len() < LOADS_MIN {
        return Err(UslError::TooFewLoads { distinct: different.len() });
    }

    let faces: [&[usize]; 4] = [&[0, 1, 2], &[0, 1], &[0, 2], &[0]];
    let (parameters, squares) = faces
        .into_iter()
        .map(|free| levenberg_marquardt(loads, free))
        .filter(|([_, sigma, kappa], _)| *sigma >= 0.0 && *kappa >= 0.0)
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .expect("the face where both are zero is always admissible");

    let mean = loads.iter().map(|load| load.throughput).sum::<f64>() / loads.len() as f64;
    let variance: f64 = loads.iter().map(|load| (load.throughput - mean).powi(2)).sum();
    let residual = |load: &Load| load.throughput - curve(parameters, load.concurrency);
    let [lambda, sigma, kappa] = parameters;
    Ok(UslFit {
        lambda,
        sigma,
        kappa,
        residuals: loads.iter().map(residual).collect(),
        r_squared: if variance > 0.0 { 1.0 - squares / variance } else { 0.0 },
    })
}

/// `λ`, `σ`, `κ`.
type Parameters = [f64; 3];

fn slowdown([_, sigma, kappa]: Parameters, n: f64) -> f64 {
    1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0)
}

fn curve(parameters: Parameters, n: f64) -> f64 {
    parameters[0] * n / slowdown(parameters, n)
}

/// The curve's derivative by each parameter.
fn gradient(parameters: Parameters, n: f64) -> Parameters {
    let slowdown = slowdown(parameters, n);
    let relative = -curve(parameters, n) / slowdown;
    [n / slowdown, relative * (n - 1.0), relative * n * (n - 1.0)]
}

/// The sum of squared residuals; infinite where the curve has a pole within the loads.
fn squares(loads: &[Load], parameters: Parameters) -> f64 {
    if loads.iter().any(|load| slowdown(parameters, load.concurrency) <= 0.0) {
        return f64::INFINITY;
    }
    loads.iter().map(|load| (load.throughput - curve(parameters, load.concurrency)).powi(2)).sum()
}

/// Minimizes the squares over the `free` parameters, the others staying zero, and returns the
/// parameters with their sum of squares.
fn levenberg_marquardt(loads: &[Load], free: &[usize]) -> (Parameters, f64) {
    const STEPS_MAX: usize = 500;
    const DAMPING_MAX: f64 = 1e16;
    let per_request = loads.iter().map(|load| load.throughput / load.concurrency);
    let mut parameters = [per_request.fold(0.0, f64::max), 0.0, 0.0];
    let mut cost = squares(loads, parameters);
    let mut damping = 1e-3;
    for _ in 0..STEPS_MAX {
        let step = damped_step(loads, parameters, free, damping);
        let mut candidate = parameters;
        free.iter().zip(step).for_each(|(&index, change)| candidate[index] += change);
        let candidate_cost = squares(loads, candidate);
        if candidate_cost < cost {
            let gain = cost - candidate_cost;
            (parameters, cost) = (candidate, candidate_cost);
            damping = (damping / 10.0).max(1e-12);
            if gain <= 1e-15 * cost {
                break;
            }
        } else {
            damping *= 10.0;
            if damping > DAMPING_MAX {
                break;
            }
        }
    }
    (parameters, cost)
}

/// Solves `(JᵀJ + μ diag JᵀJ) δ = Jᵀr` over the free parameters; unused places stay zero.
fn damped_step(loads: &[Load], parameters: Parameters, free: &[usize], damping: f64) -> [f64; 3] {
    let mut matrix = [[0.0; 3]; 3];
    let mut right = [0.0; 3];
    for load in loads {
        let gradient = gradient(parameters, load.concurrency);
        let residual = load.throughput - curve(parameters, load.concurrency);
        for (row, &i) in free.iter().enumerate() {
            right[row] += gradient[i] * residual;
            for (column, &j) in free.iter().enumerate() {
                matrix[row][column] += gradient[i] * gradient[j];
            }
        }
    }
    for (index, row) in matrix.iter_mut().enumerate() {
        // The tiny constant keeps places that are not free, all zero, from dividing by zero.
        row[index] = row[index] * (1.0 + damping) + f64::MIN_POSITIVE;
    }
    solve(matrix, right)
}

/// Solves a symmetric positive definite system by elimination, which needs no pivoting there.
fn solve(mut matrix: [[f64; 3]; 3], mut right: [f64; 3]) -> [f64; 3] {
    for pivot in 0..3 {
        for row in pivot + 1..3 {
            let factor = matrix[row][pivot] / matrix[pivot][pivot];
            let above = matrix[pivot];
            for (value, above) in matrix[row].iter_mut().zip(above) {
                *value -= factor * above;
            }
            right[row] -= factor * right[pivot];
        }
    }
    let mut solution = [0.0; 3];
    for row in (0..3).rev() {
        let known: f64 = (row + 1..3).map(|column| matrix[row][column] * solution[column]).sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    solution
}

#[cfg(test)]
mod tests {
    use domain::Seed;

    use super::*;

    fn sweep(parameters: Parameters, noise: f64, seed: u64) -> Vec<Load> {
        let mut random = Seed(seed).random();
        [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]
            .map(|concurrency| {
                let factor = 1.0 + noise * random.normal();
                Load { concurrency, throughput: curve(parameters, concurrency) * factor }
            })
            .to_vec()
    }

    fn close(got: f64, expected: f64, relative: f64) -> bool {
        (got - expected).abs() <= relative * expected.abs().max(1e-9)
    }

    #[test]
    fn known_parameters_are_recovered() {
        for parameters in [
            [50.0, 0.02, 0.000_1],
            [1_000.0, 0.3, 0.01],
            [3.0, 0.0, 0.001],
            [3.0, 0.1, 0.0],
            [12.0, 0.0, 0.0],
        ] {
            let fit = fit(&sweep(parameters, 0.0, 0)).unwrap();
            let got = [fit.lambda, fit.sigma, fit.kappa];
            for (got, expected) in got.into_iter().zip(parameters) {
                assert!((got - expected).abs() < 1e-6 * expected.max(1.0), "{fit:?}");
            }
            assert!(fit.r_squared > 1.0 - 1e-9);
        }
        let noisy = fit(&sweep([50.0, 0.02, 0.000_1], 0.01, 9)).unwrap();
        assert!(close(noisy.lambda, 50.0, 0.05) && close(noisy.peak().unwrap(), 98.99, 0.1));
        assert_eq!(noisy.residuals.len(), 8);
        assert!(noisy.r_squared > 0.99);
    }

    /// The SPEC SDET benchmark on a Sun SPARCcenter 2000, the worked example of Gunther's book, with
    /// the fit its companion package for R prints.
    #[test]
    fn the_textbook_example_is_reproduced() {
        let loads = [
            (1.0, 64.9),
            (18.0, 995.9),
            (36.0, 1_652.4),
            (72.0, 1_853.2),
            (108.0, 1_828.9),
            (144.0, 1_775.0),
            (216.0, 1_702.2),
        ]
        .map(|(concurrency, throughput)| Load { concurrency, throughput });
        let fit = fit(&loads).unwrap();
        assert!(close(fit.lambda, 89.995, 1e-3), "{fit:?}");
        assert!(close(fit.sigma, 0.027_73, 1e-3), "{fit:?}");
        assert!(close(fit.kappa, 0.000_104_4, 1e-3), "{fit:?}");
        assert!(close(fit.peak().unwrap(), 96.5, 1e-3), "{fit:?}");
    }

    /// Noise may pull a coefficient below zero; a negative cost means nothing.
    #[test]
    fn coefficients_are_never_negative() {
        for seed in 0..50 {
            let fit = fit(&sweep([10.0, 0.01, 0.0], 0.05, seed)).unwrap();
            assert!(fit.sigma >= 0.0 && fit.kappa >= 0.0 && fit.lambda > 0.0, "{fit:?}");
        }
        // Throughput that grows faster than load is fitted by the straight line.
        let superlinear = [(1.0, 1.0), (2.0, 2.2), (4.0, 5.0), (8.0, 11.0)]
            .map(|(concurrency, throughput)| Load { concurrency, throughput });
        let line = fit(&superlinear).unwrap();
        assert_eq!((line.sigma, line.kappa, line.peak(), line.knee()), (0.0, 0.0, None, None));
    }

    #[test]
    fn peak_and_knee_are_where_the_curve_says() {
        let curve = UslFit {
            lambda: 50.0,
            sigma: 0.02,
            kappa: 0.001,
            residuals: Vec::new(),
            r_squared: 1.0,
        };
        let greatest = |value: &dyn Fn(f64) -> f64| {
            (100..20_000)
                .map(|n| f64::from(n) / 100.0)
                .max_by(|&a, &b| value(a).total_cmp(&value(b)))
        };
        let peak = greatest(&|n| curve.throughput(n)).unwrap();
        let knee = greatest(&|n| curve.throughput(n).powi(2) / n).unwrap();
        assert!((curve.peak().unwrap() - peak).abs() < 0.01, "{peak}");
        assert!((curve.knee().unwrap() - knee).abs() < 0.01, "{knee}");
        let amdahl = UslFit { kappa: 0.0, ..curve };
        assert_eq!((amdahl.peak(), amdahl.knee().map(f64::round)), (None, Some(49.0)));
    }

    #[test]
    fn a_poor_sweep_is_refused() {
        let load = |concurrency, throughput| Load { concurrency, throughput };
        let three = [load(1.0, 1.0), load(2.0, 2.0), load(2.0, 2.1), load(4.0, 3.0)];
        assert_eq!(fit(&three), Err(UslError::TooFewLoads { distinct: 3 }));
        let zero = [load(1.0, 1.0), load(2.0, 0.0), load(3.0, 2.1), load(4.0, 3.0)];
        assert_eq!(fit(&zero), Err(UslError::NotPositive));
    }
}
