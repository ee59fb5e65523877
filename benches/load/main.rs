//! What the running program costs: a `hallpass serve` with its defaults on a store on disk, every write durable, loaded over
//! loopback by 16 keep-alive connections from this process, beside a bare hyper server that answers the same bytes.
//!
//! ```console
//! $ cargo bench --bench load                      # everything
//! $ cargo bench --bench load -- refresh userinfo  # some of it
//! ```
//!
//! The figure that counts is the CPU time of the server per 1000 requests (or flows), user and system: it says what a machine
//! can do, whatever else runs beside it. Requests a second and latencies depend on the machine's other work, and on the load
//! sharing its cores. Each figure is the median of [`ROUNDS`] rounds; the rounds of the two servers take turns.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench that can't run should say so"
)]

mod bare;
mod caller;
mod scenario;
mod server;

use std::hint::black_box;
use std::time::{Duration, Instant};

use hallpass::jose::key::PrivateKey;
use hallpass::jose::sign::Signer;

use bare::Recording;
use scenario::{EXPRESSIONS, SCENARIOS, Scenario, Work, Worker};
use server::Server;

/// Connections at a time.
const CONNECTIONS: usize = 16;

/// Rounds of each measurement.
const ROUNDS: usize = 5;

/// How long a round takes.
const ROUND: Duration = Duration::from_secs(2);

/// How long a server is loaded before the first round.
const WARM_UP: Duration = Duration::from_millis(500);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [flag, recording] = arguments.as_slice()
        && flag == bare::FLAG
    {
        return bare::serve(recording);
    }
    let chosen: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|scenario| arguments.is_empty() || arguments.iter().any(|name| name == scenario.name))
        .collect();
    assert!(!chosen.is_empty(), "there are: {:?}", SCENARIOS.map(|scenario| scenario.name));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(tokio::task::LocalSet::new().run_until(run(&chosen)));
}

async fn run(scenarios: &[&Scenario]) {
    let signature = signature();
    let plain = Server::provider("");
    println!(
        "CPU seconds of the server per 1000, {CONNECTIONS} connections; one RSA-2048 signature takes {:.3} ms here\n",
        signature.as_secs_f64() * 1e3
    );
    println!(
        "| {:<10} | {:>8} | {:>8} | {:>8} | {:>8} | {:>6} | {:>8} | {:>8} | {:>8} |",
        "", "CPU", "aim", "floor", "hyper", "× floor", "per s", "p50 ms", "p99 ms"
    );
    println!(
        "|{:-<12}|{:->9}:|{:->9}:|{:->9}:|{:->9}:|{:->8}:|{:->9}:|{:->9}:|{:->9}:|",
        "", "", "", "", "", "", "", "", ""
    );
    for scenario in scenarios {
        let other = (scenario.work == Work::UserinfoExpressions).then(|| Server::provider(EXPRESSIONS));
        let provider = other.as_ref().unwrap_or(&plain);
        let mut workers = Vec::new();
        let mut recording = Recording::default();
        for number in 0..CONNECTIONS {
            let mut worker = Worker::prepare(scenario.work, provider, number).await;
            worker.step(Some(&mut recording)).await;
            workers.push(worker);
        }
        let hyper = Server::bare(&recording);
        let mut fakes = Vec::new();
        for worker in &workers {
            fakes.push(worker.beside(&hyper).await);
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        workers = load(provider, workers, WARM_UP).await.0;
        fakes = load(&hyper, fakes, WARM_UP).await.0;
        for _ in 0..ROUNDS {
            let round;
            (workers, round) = load(provider, workers, ROUND).await;
            ours.push(round);
            let round;
            (fakes, round) = load(&hyper, fakes, ROUND).await;
            theirs.push(round);
        }
        let (ours, theirs) = (Round::median(&ours), Round::median(&theirs));
        let signatures = f64::from(scenario.signatures) * signature.as_secs_f64() * 1000.0;
        let floor = theirs.cpu + signatures;
        let aim = scenario.aim.unwrap_or(theirs.cpu + 1.3 * signatures);
        println!(
            "| {:<10} | {:>8.4} | {:>8.4} | {:>8.4} | {:>8.4} | {:>7.2} | {:>8.0} | {:>8.2} | {:>8.2} |",
            scenario.name,
            ours.cpu,
            aim,
            floor,
            theirs.cpu,
            ours.cpu / floor,
            ours.rate,
            ours.p50,
            ours.p99
        );
    }
}

/// What one round showed.
#[derive(Clone, Copy)]
struct Round {
    /// CPU seconds of the server per 1000.
    cpu: f64,
    /// A second.
    rate: f64,
    /// Milliseconds.
    p50: f64,
    /// Milliseconds.
    p99: f64,
}

impl Round {
    /// Each figure's own median.
    fn median(rounds: &[Self]) -> Self {
        let median = |figure: fn(&Self) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(figure).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self {
            cpu: median(|round| round.cpu),
            rate: median(|round| round.rate),
            p50: median(|round| round.p50),
            p99: median(|round| round.p99),
        }
    }
}

/// All workers at once, for this long.
async fn load(server: &Server, workers: Vec<Worker>, time: Duration) -> (Vec<Worker>, Round) {
    let before = server.cpu_time();
    let began = Instant::now();
    let running: Vec<_> = workers
        .into_iter()
        .map(|mut worker| {
            tokio::task::spawn_local(async move {
                let mut times = Vec::with_capacity(1 << 16);
                let mut last = Instant::now();
                while last - began < time {
                    worker.step(None).await;
                    let now = Instant::now();
                    times.push(now - last);
                    last = now;
                }
                (worker, times)
            })
        })
        .collect();
    let (mut workers, mut times) = (Vec::new(), Vec::new());
    for task in running {
        let (worker, mut its) = task.await.expect("a worker");
        workers.push(worker);
        times.append(&mut its);
    }
    let elapsed = began.elapsed();
    let cpu = server.cpu_time() - before;
    times.sort_unstable();
    let count = f64::from(u32::try_from(times.len()).expect("a count"));
    let milliseconds = |at: usize| times[at.min(times.len() - 1)].as_secs_f64() * 1e3;
    let round = Round {
        cpu: cpu.as_secs_f64() * 1000.0 / count,
        rate: count / elapsed.as_secs_f64(),
        p50: milliseconds(times.len() / 2),
        p99: milliseconds(times.len() * 99 / 100),
    };
    (workers, round)
}

/// The CPU time of one RS256 signature with 2048 bits, as the provider makes it.
fn signature() -> Duration {
    const SIGNATURES: u32 = 200;
    let key = PrivateKey::from_pem(include_str!("../../tests/it/data/rsa2048_pkcs8.pem")).expect("a key");
    let signer = Signer::rs256(&key, "kid").expect("a signer");
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let before = server::own_cpu_time();
            for _ in 0..SIGNATURES {
                black_box(signer.sign(black_box(b"message")).expect("a signature"));
            }
            (server::own_cpu_time() - before) / SIGNATURES
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}
