//! From a convolution's sums to the affine map of each channel, and back.

use haema_kernels::norm::ChannelMap;
use haema_kernels::norm_grad::ChannelGrad;
use haema_kernels::{ChannelStats, LANES};

use crate::spec::{NormMode, NormSpec};

/// Mean and divisor of each channel of a tensor, kept for the way back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moments {
    /// Of what the convolution leaves, which is without its bias.
    mean: Vec<f64>,
    /// `s`: what `x − mean` is divided by.
    divisor: Vec<f64>,
    /// `s/σ` where ε is added to σ, else 1.
    ratio: Vec<f64>,
    /// σ².
    variance: Vec<f64>,
    /// How many voxels they were taken over; infinite where they do not depend on the tensor.
    voxels: f64,
}

/// What a convolution's parameters are called here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NormParams<'a> {
    /// Number of channels.
    pub(crate) channels: usize,
    /// Of a convolution; without effect before a normalisation by the tensor's own statistics.
    pub(crate) bias: Option<&'a [f32]>,
    /// γ and β, where there is a normalisation.
    pub(crate) affine: Option<(&'a [f32], &'a [f32])>,
    /// Running mean and variance, where there are such.
    pub(crate) running: Option<(&'a [f32], &'a [f32])>,
}

impl NormParams<'_> {
    fn bias(&self, channel: usize) -> f32 {
        self.bias.map_or(0.0, |bias| bias[channel])
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
            let own = moment(&total[channel / LANES], channel % LANES, n);
            moments.push(own, spec);
        }
        moments
    }

    /// From running statistics, where there are such.
    pub(crate) fn running(params: NormParams<'_>, spec: NormSpec) -> Option<Self> {
        let (mean, variance) = params.running?;
        let mut moments = Self { voxels: f64::INFINITY, ..Self::default() };
        for channel in 0..params.channels {
            // Running means are of values with the bias in.
            let mean = f64::from(mean[channel]) - f64::from(params.bias(channel));
            moments.push([mean, f64::from(variance[channel])], spec);
        }
        Some(moments)
    }

    fn push(&mut self, [mean, variance]: [f64; 2], spec: NormSpec) {
        let [divisor, ratio] = divisor(variance, spec);
        self.mean.push(mean);
        self.divisor.push(divisor);
        self.ratio.push(ratio);
        self.variance.push(variance);
    }

    /// Moves running statistics towards these; `momentum` is the share of the old ones that stays.
    pub(crate) fn update_running(
        &self,
        momentum: f64,
        bias: Option<&[f32]>,
        (means, variances): (&mut [f32], &mut [f32]),
    ) {
        let mix = |old: f32, new: f64| (momentum * f64::from(old) + (1.0 - momentum) * new) as f32;
        // Of a sample, not of a population.
        let correction = self.voxels / (self.voxels - 1.0).max(1.0);
        let pairs = means.iter_mut().zip(variances).zip(self.mean.iter().zip(&self.variance));
        for (channel, ((mean, variance), (&new_mean, &new_variance))) in pairs.enumerate() {
            let bias = bias.map_or(0.0, |bias| f64::from(bias[channel]));
            *mean = mix(*mean, new_mean + bias);
            *variance = mix(*variance, new_variance * correction);
        }
    }
}

/// Mean and variance of one lane of a block, from its sums over `n` voxels.
fn moment(total: &ChannelStats, lane: usize, n: f64) -> [f64; 2] {
    let mean = total.sum[lane] / n;
    [mean, (total.sum_of_squares[lane] / n - mean * mean).max(0.0)]
}

/// `s` and `s/σ`.
fn divisor(variance: f64, spec: NormSpec) -> [f64; 2] {
    match spec.mode {
        NormMode::Variance => [(variance + spec.eps).sqrt(), 1.0],
        NormMode::StandardDeviation => {
            let deviation = variance.sqrt();
            let divisor = deviation + spec.eps;
            // A constant channel has no direction to change in.
            [divisor, if deviation > 0.0 { divisor / deviation } else { 0.0 }]
        }
    }
}

/// Factor and summand of a normalised channel.
fn normalise([mean, divisor]: [f64; 2], gamma: f32, beta: f32) -> [f32; 2] {
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
            let [mean, variance] = moment(&total, lane, voxels as f64);
            let [divisor, _] = divisor(variance, spec);
            [map.scale.0[lane], map.shift.0[lane]] = normalise([mean, divisor], gamma, beta);
        }
    }
}

/// The map of each block: normalisation where there are moments, else the bias. A bias before a
/// normalisation by the tensor's own statistics has no effect and is left out.
pub(crate) fn maps(
    moments: Option<&Moments>,
    params: NormParams<'_>,
    keep: impl Fn(usize) -> f32,
) -> Vec<ChannelMap> {
    let channels = params.channels;
    let mut maps = vec![ChannelMap::default(); channels.div_ceil(LANES)];
    for channel in 0..channels {
        let map = &mut maps[channel / LANES];
        let lane = channel % LANES;
        let (scale, shift) = match (moments, params.affine) {
            (Some(moments), Some((gamma, beta))) => {
                let moment = [moments.mean[channel], moments.divisor[channel]];
                normalise(moment, gamma[channel], beta[channel]).into()
            }
            _ => (1.0, params.bias(channel)),
        };
        map.scale.0[lane] = scale;
        map.shift.0[lane] = shift;
        map.keep.0[lane] = keep(channel);
    }
    maps
}

/// The way back of each block from `Σdz` and `Σ dz·x`, and the gradients of each channel's γ, β and
/// bias, 0 where it has no effect.
pub(crate) fn grads(
    moments: Option<&Moments>,
    params: NormParams<'_>,
    total: &[ChannelStats],
) -> (Vec<ChannelGrad>, Vec<[f32; 3]>) {
    let channels = params.channels;
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
            let bias = if moments.voxels.is_infinite() { factor * sum_dz } else { 0.0 };
            of_params.push([sum_dz_x_hat as f32, sum_dz as f32, bias as f32]);
        } else {
            grad.from_dz.0[lane] = 1.0;
            of_params.push([0.0, 0.0, sum_dz as f32]);
        }
    }
    (grads, of_params)
}
