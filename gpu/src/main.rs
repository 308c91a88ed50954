//! The `haema` command with a GPU behind `--device gpu`.

use std::process::ExitCode;

use haema_gpu::Adapters;

fn main() -> ExitCode {
    // Who names a device for burn gets it, be it one in software.
    let is_named = std::env::var_os("CUBECL_WGPU_DEFAULT_DEVICE").is_some();
    let adapters = if is_named { Adapters::Any } else { Adapters::Hardware };
    haema_cli::command(Some(&move || haema_gpu::open(adapters)))
}
