//! Writes a model file anew with other number formats.
//!
//! ```text
//! cargo run --release --package llama --example quantize -- SOURCE DEST q4_0|q8_0|f16|f32
//! ```
//!
//! DEST appears only once it is whole. The libraries are those that `scripts/llama-library.sh`
//! fetched, or of the folder that PRONY_LLAMA_DIR names.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to a terminal")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use llama::{FileType, Library, quantize};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, dest, format] = &arguments[..] else {
        eprintln!("usage: quantize SOURCE DEST q4_0|q8_0|f16|f32");
        return ExitCode::from(2);
    };
    match run(Path::new(source), Path::new(dest), format) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quantize: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(source: &Path, dest: &Path, format: &str) -> Result<(), Box<dyn Error>> {
    let file_type = match format {
        "q4_0" => FileType::Q4_0,
        "q8_0" => FileType::Q8_0,
        "f16" => FileType::F16,
        "f32" => FileType::F32,
        _ => return Err(format!("there is no format {format}: use q4_0, q8_0, f16 or f32").into()),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut unfinished = dest.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    quantize(&library()?, source, &unfinished, file_type, u32::try_from(threads)?)?;
    std::fs::rename(&unfinished, dest)?;
    println!("{}", dest.display());
    Ok(())
}

fn library() -> Result<Library, Box<dyn Error>> {
    #[expect(clippy::disallowed_methods, reason = "an example has no `app` to read this for it")]
    let folder = std::env::var_os("PRONY_LLAMA_DIR");
    let folder = folder.map_or_else(|| PathBuf::from(".prony/llama"), PathBuf::from);
    Ok(Library::open(&folder)?)
}
