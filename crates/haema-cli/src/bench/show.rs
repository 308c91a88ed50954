//! What was timed, as text.

use std::io::{self, Write};

use haema_pipeline::bench::{BenchReport, LayerTime, Layers, Parts, Spread, StepBlock, StepParts};

/// The report as text.
pub(super) fn print(out: &mut dyn Write, report: &BenchReport) -> io::Result<()> {
    let BenchReport { version, method, precision, threads, repeat, instructions, .. } = report;
    let precision = precision.name();
    let plural = if *threads == 1 { "" } else { "s" };
    let [z, y, x] = report.size;
    writeln!(
        out,
        "haema {version}, {method}, {precision}, {instructions}, {threads} thread{plural}; median, and range, of \
         {repeat}\n"
    )?;
    if let Some(network_ms) = report.network_ms {
        print_line(out, &format!("network, one pass of {z} × {y} × {x}"), network_ms)?;
    }
    if let Some(step_ms) = report.step_ms {
        print_line(out, &format!("step of training, {z} × {y} × {x}"), step_ms)?;
    }
    if let Some(parts) = &report.parts_ms {
        writeln!(out)?;
        print_parts(out, parts)?;
    }
    writeln!(out, "\n{:<40}{:>8.0} MB", "held by the network", report.network_mb)?;
    match report.peak_rss_mb {
        Some(peak) => writeln!(out, "{:<40}{peak:>8.0} MB", "peak memory")?,
        None => writeln!(out, "{:<40}   not told by this system", "peak memory")?,
    }
    if let Some(parts) = &report.step_parts {
        print_step(out, parts)?;
    }
    report.layers.as_ref().map_or(Ok(()), |layers| print_layers(out, layers))
}

fn print_parts(out: &mut dyn Write, parts: &Parts) -> io::Result<()> {
    for (name, spread) in [
        ("read: find, parse, decode, rescale", parts.read),
        ("preprocess: to the network's grid", parts.preprocess),
        ("network: twice, once mirrored", parts.network),
        ("restore: to the scan's own grid", parts.restore),
        ("measure: threshold, parts, volumes", parts.measure),
        ("write: masks, page, report", parts.write),
        ("the whole way", parts.total),
    ] {
        print_line(out, name, spread)?;
    }
    Ok(())
}

/// A table that can go into a page as it is.
fn print_layers(out: &mut dyn Write, layers: &Layers) -> io::Result<()> {
    writeln!(
        out,
        "\nat best {:.0} GFLOP/s in registers, {:.1} GB/s from memory to memory\n\n\
         | block | ms | floor, ms | of its floor | GFLOP | in products | MB |\n\
         |---|--:|--:|--:|--:|--:|--:|",
        layers.peak_gflop_per_s, layers.peak_gigabytes_per_s
    )?;
    let mut row = |name: &str, ms: f64, floor_ms: f64, [gflop, products, megabytes]: [f64; 3]| {
        let ratio =
            if floor_ms > 0.0 { format!("{:.1} ×", ms / floor_ms) } else { "–".to_owned() };
        writeln!(
            out,
            "| {name} | {ms:.1} | {floor_ms:.1} | {ratio} | {gflop:.2} | {products:.2} | \
             {megabytes:.1} |"
        )
    };
    for block in &layers.blocks {
        let work = [block.gflop, block.product_gflop, block.megabytes];
        row(&block.name, block.ms, block.floor_ms, work)?;
    }
    let sum = |of: fn(&LayerTime) -> f64| layers.blocks.iter().map(of).sum::<f64>();
    let work = [sum(|block| block.gflop), sum(|b| b.product_gflop), sum(|b| b.megabytes)];
    row("**all**", sum(|block| block.ms), sum(|block| block.floor_ms), work)
}

/// A table that can go into a page as it is.
fn print_step(out: &mut dyn Write, parts: &StepParts) -> io::Result<()> {
    writeln!(
        out,
        "\n| block | forward, ms | finish back, ms | weights, ms | data, ms |\n\
         |---|--:|--:|--:|--:|"
    )?;
    let mut row = |name: &str, [forward, finish, weights, data]: [f64; 4]| {
        writeln!(out, "| {name} | {forward:.1} | {finish:.1} | {weights:.1} | {data:.1} |")
    };
    let times =
        |block: &StepBlock| [block.forward_ms, block.finish_ms, block.weights_ms, block.data_ms];
    let mut sums = [0.0; 4];
    for block in &parts.blocks {
        row(&block.name, times(block))?;
        sums.iter_mut().zip(times(block)).for_each(|(sum, ms)| *sum += ms);
    }
    row("**all**", sums)?;
    let StepParts { loss_ms, update_ms, pack_ms, .. } = parts;
    writeln!(out, "\nloss {loss_ms:.1} ms, optimiser {update_ms:.1} ms, packing {pack_ms:.1} ms")
}

fn print_line(out: &mut dyn Write, name: &str, spread: Spread) -> io::Result<()> {
    let Spread { median, min, max } = spread;
    writeln!(out, "{name:<40}{median:>8.1} ms   ({min:.1} to {max:.1})")
}
