//! Flags of other load testers, and what says the same here: whoever types one from habit is told.

/// What to give instead of `flag`, which other tools have and `prony bench` has not.
pub(crate) fn counterpart(flag: &str) -> Option<&'static str> {
    Some(match flag {
        // vLLM's benchmark.
        "--backend" => "which API is spoken is said with --endpoint-type",
        "--endpoint" => "which API is spoken is said with --endpoint-type, where it is with --url",
        "--host" | "--port" => "a server is named with --url, such as http://127.0.0.1:8000",
        "--dataset-name" => "prompts are chosen with --dataset FILE, --input-len or --scenario",
        "--random-input-len" => "lengths of prompts are said with --input-len",
        "--random-output-len" => "lengths of answers are said with --output-len",
        "--random-prefix-len" => "what prompts have in common is said with --prefix-len",
        "--num-warmups" => "requests that do not count are said with --warmup",
        "--ramp-up-strategy" => "the load rises over --ramp-up TIME",
        "--save-detailed" | "--result-filename" => "results are kept with --output-dir DIR",
        "--percentile-metrics" | "--metric-percentiles" => "every percentile is always reported",
        "--disable-tqdm" => "progress is hidden with --no-progress",
        // GuideLLM's.
        "--target" => "a server is named with --url",
        "--rate" | "--qps" => {
            "a rate is said with --request-rate 20/s, a number of users with --concurrency 8"
        }
        "--rate-type" | "--profile" => {
            "a rate is said with --request-rate 20/s, a number of users with --concurrency 8, \
             several with commas"
        }
        "--max-requests" => "requests are limited with --num-prompts",
        "--max-seconds" => "a run's time is limited with --duration 60s",
        "--data" => "prompts are chosen with --dataset FILE, --input-len or --scenario",
        "--processor" => "a tokenizer is named with --tokenizer",
        "--output-path" => "results are kept with --output-dir DIR",
        // AIPerf's.
        "--benchmark-duration" => "a run's time is limited with --duration 60s",
        // Those of testers of any HTTP server.
        "-c" | "--users" => "users are said with --concurrency",
        "-n" | "--requests" => "requests are limited with --num-prompts",
        "-z" | "-d" => "a run's time is limited with --duration 60s",
        "-H" => "a header is given with --header 'NAME: VALUE'",
        "--json" => "results are printed as JSON with --output json",
        "--api-key" => {
            "a key on the command line is seen by every user of the machine: give it in \
             OPENAI_API_KEY or ANTHROPIC_API_KEY, or with --api-key-file FILE"
        }
        _ => return None,
    })
}
