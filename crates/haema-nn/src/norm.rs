//! From a convolution's sums to the affine map of each channel, and back.

use haema_kernels::norm::ChannelMap;
use haema_kernels::norm_grad::ChannelGrad;
use haema_kernels::{ChannelStats, LANES};

use crate::spec::{NormMode, NormSpec};

/// Mean and divisor of each channel of a tensor, kept for the way back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moments {
    mean: Vec<f64>,
    /// `s`: what `x − mean` is divided by.
    divisor: Vec<f64>,
    /// `s/σ` where ε is added to σ, else 1.
    ratio: Vec<f64>,
    voxels: f64,
}

/// What a convolution's parameters are called here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NormParams<'a> {
    /// Of a convolution; without effect before a normalisation.
    pub(crate) bias: Option<&'a [f32]>,
    /// γ and β, where there is a normalisation.
    pub(crate) affine: Option<(&'a [f32], &'a [f32])>,
}

impl NormParams<'_> {
    /// Number of channels.
    pub(crate) fn channels(&self) -> usize {
        self.affine.map(|(gamma, _)| gamma).or(self.bias).map_or(0, <[f32]>::len)
    }
}

/// Adds up the sums of planes, in their order.
pub(crate) fn reduce(stats: &[ChannelStats], blocks: usize) -> Vec<ChannelStats> {
    (0..blocks).map(|block| reduce_block(stats, blocks, block)).collect()
}

fn reduce_block(stats: &[ChannelStats], blocks: usize, block: usize) -> ChannelStats {
    let mut total = ChannelStats::default();
    for stats in stats.iter().skip(block).step_by(blocks) {
        for lane in 0..LANES {
            total.sum[lane] += stats.sum[lane];
            total.sum_of_squares[lane] += stats.sum_of_squares[lane];
        }
    }
    total
}

impl Moments {
    /// From the sums over all voxels.
    pub(crate) fn new(
        total: &[ChannelStats],
        channels: usize,
        voxels: usize,
        spec: NormSpec,
    ) -> Self {
        let n = voxels as f64;
        let mut moments = Self { voxels: n, ..Self::default() };
        for channel in 0..channels {
            let [mean, divisor, ratio] = moment(&total[channel / LANES], channel % LANES, n, spec);
            moments.mean.push(mean);
            moments.divisor.push(divisor);
            moments.ratio.push(ratio);
        }
        moments
    }
}

/// Mean, divisor and `s/σ` of one lane of a block, from its sums over `n` voxels.
fn moment(total: &ChannelStats, lane: usize, n: f64, spec: NormSpec) -> [f64; 3] {
    let mean = total.sum[lane] / n;
    let variance = (total.sum_of_squares[lane] / n - mean * mean).max(0.0);
    match spec.mode {
        NormMode::Variance => [mean, (variance + spec.eps).sqrt(), 1.0],
        NormMode::StandardDeviation => {
            let deviation = variance.sqrt();
            let divisor = deviation + spec.eps;
            // A constant channel has no direction to change in.
            [mean, divisor, if deviation > 0.0 { divisor / deviation } else { 0.0 }]
        }
    }
}

/// Factor and summand of a normalised channel.
fn normalise([mean, divisor, _]: [f64; 3], gamma: f32, beta: f32) -> [f32; 2] {
    let scale = f64::from(gamma) / divisor;
    [scale as f32, (f64::from(beta) - mean * scale) as f32]
}

/// Writes the maps of a normalisation straight from its sums; allocates nothing. Factors of channels
/// that are not there stay as they are.
pub(crate) fn fill_maps(
    stats: &[ChannelStats],
    (voxels, spec): (usize, NormSpec),
    (gamma, beta): (&[f32], &[f32]),
    maps: &mut [ChannelMap],
) {
    let blocks = maps.len();
    for (block, map) in maps.iter_mut().enumerate() {
        let total = reduce_block(stats, blocks, block);
        let first = block * LANES;
        for (lane, (&gamma, &beta)) in
            gamma[first..].iter().zip(&beta[first..]).take(LANES).enumerate()
        {
            let moment = moment(&total, lane, voxels as f64, spec);
            [map.scale.0[lane], map.shift.0[lane]] = normalise(moment, gamma, beta);
        }
    }
}

/// The map of each block: normalisation where there are moments, else the bias. A bias before a
/// normalisation has no effect and is left out.
pub(crate) fn maps(
    moments: Option<&Moments>,
    params: NormParams<'_>,
    keep: impl Fn(usize) -> f32,
) -> Vec<ChannelMap> {
    let channels = params.channels();
    let mut maps = vec![ChannelMap::default(); channels.div_ceil(LANES)];
    for channel in 0..channels {
        let map = &mut maps[channel / LANES];
        let lane = channel % LANES;
        let (scale, shift) = match (moments, params.affine) {
            (Some(moments), Some((gamma, beta))) => {
                let moment = [moments.mean[channel], moments.divisor[channel], 1.0];
                normalise(moment, gamma[channel], beta[channel]).into()
            }
            _ => (1.0, params.bias.map_or(0.0, |bias| bias[channel])),
        };
        map.scale.0[lane] = scale;
        map.shift.0[lane] = shift;
        map.keep.0[lane] = keep(channel);
    }
    maps
}

/// The way back of each block from `Σdz` and `Σ dz·x`, and the gradients of the parameters:
/// `(γ, β)` with a normalisation, `(nothing, bias)` without.
pub(crate) fn grads(
    moments: Option<&Moments>,
    params: NormParams<'_>,
    total: &[ChannelStats],
) -> (Vec<ChannelGrad>, Vec<[f32; 2]>) {
    let channels = params.channels();
    let mut grads = vec![ChannelGrad::default(); channels.div_ceil(LANES)];
    let mut of_params = Vec::with_capacity(channels);
    for channel in 0..channels {
        let (block, lane) = (channel / LANES, channel % LANES);
        let sum_dz = total[block].sum[lane];
        let grad = &mut grads[block];
        if let (Some(moments), Some((gamma, _))) = (moments, params.affine) {
            let (mean, s) = (moments.mean[channel], moments.divisor[channel]);
            let sum_dz_x_hat = (total[block].sum_of_squares[lane] - mean * sum_dz) / s;
            let factor = f64::from(gamma[channel]) / s;
            let pull = factor * sum_dz_x_hat / moments.voxels * moments.ratio[channel] / s;
            grad.from_dz.0[lane] = factor as f32;
            grad.from_x.0[lane] = -pull as f32;
            grad.constant.0[lane] = (pull * mean - factor * sum_dz / moments.voxels) as f32;
            of_params.push([sum_dz_x_hat as f32, sum_dz as f32]);
        } else {
            grad.from_dz.0[lane] = 1.0;
            of_params.push([0.0, sum_dz as f32]);
        }
    }
    (grads, of_params)
}
