//! A fan of rays around a slice: line integrals, and the way back.

/// Rays from a source that circles the middle of a square image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fan {
    /// Pixels along a side of the image.
    pub(super) side: usize,
    pub(super) pixel_mm: f32,
    pub(super) views: usize,
    pub(super) channels: usize,
}

/// From the source to the middle of rotation.
pub(super) const SOURCE_MM: f32 = 570.0;

impl Fan {
    /// Angle between neighbouring rays: together they cover the circle within the image.
    pub(super) fn step_rad(&self) -> f32 {
        let radius_mm = 0.5 * self.side as f32 * self.pixel_mm;
        2.0 * (radius_mm / SOURCE_MM).asin() / self.channels as f32
    }

    fn ray_rad(&self, channel: usize) -> f32 {
        (channel as f32 - 0.5 * (self.channels - 1) as f32) * self.step_rad()
    }

    fn view_rad(&self, view: usize) -> f32 {
        std::f32::consts::TAU * view as f32 / self.views as f32
    }

    /// Line integrals of an image of `N` values a pixel, in its units times mm: `[view, channel]`.
    pub(super) fn project<const N: usize>(&self, image: &[[f32; N]]) -> Vec<[f32; N]> {
        let mut integrals = vec![[0.0; N]; self.views * self.channels];
        for (view, row) in integrals.chunks_exact_mut(self.channels).enumerate() {
            let (sin, cos) = self.view_rad(view).sin_cos();
            for (channel, integral) in row.iter_mut().enumerate() {
                let (ray_sin, ray_cos) = (self.view_rad(view) + self.ray_rad(channel)).sin_cos();
                let from = [SOURCE_MM * cos, SOURCE_MM * sin];
                *integral = self.along(image, from, [-ray_cos, -ray_sin]);
            }
        }
        integrals
    }

    /// The integral along one ray, by points one pixel apart.
    fn along<const N: usize>(
        &self,
        image: &[[f32; N]],
        from_mm: [f32; 2],
        direction: [f32; 2],
    ) -> [f32; N] {
        let middle = 0.5 * (self.side - 1) as f32;
        let radius = 0.5 * self.side as f32;
        // In pixels, along the ray from its point nearest to the middle.
        let from = from_mm.map(|v| v / self.pixel_mm);
        let nearest = -(from[0] * direction[0] + from[1] * direction[1]);
        let foot = [from[0] + nearest * direction[0], from[1] + nearest * direction[1]];
        let half_squared = radius * radius - foot[0] * foot[0] - foot[1] * foot[1];
        if half_squared <= 0.0 {
            return [0.0; N];
        }
        let half = half_squared.sqrt() as i32;
        let mut sum = [0.0; N];
        for step in -half..=half {
            let t = step as f32;
            let x = middle + foot[0] + t * direction[0];
            let y = middle + foot[1] + t * direction[1];
            for (sum, value) in sum.iter_mut().zip(self.image_at(image, x, y)) {
                *sum += value;
            }
        }
        sum.map(|sum| sum * self.pixel_mm)
    }

    #[inline]
    fn image_at<const N: usize>(&self, image: &[[f32; N]], x: f32, y: f32) -> [f32; N] {
        let last = (self.side - 1) as f32;
        if !(x >= 0.0 && y >= 0.0 && x < last && y < last) {
            return [0.0; N];
        }
        let (column, row) = (x as usize, y as usize);
        let (u, v) = (x - column as f32, y - row as f32);
        let at = row * self.side + column;
        let below = at + self.side;
        std::array::from_fn(|i| {
            let upper = image[at][i] + u * (image[at + 1][i] - image[at][i]);
            let lower = image[below][i] + u * (image[below + 1][i] - image[below][i]);
            upper + v * (lower - upper)
        })
    }

    /// The image of line integrals: filtered back projection.
    ///
    /// * `smoothing` — standard deviation of the kernel's blur in channels; 0 for the bare ramp.
    ///
    /// # Source
    ///
    /// A. Kak and M. Slaney, _Principles of Computerized Tomographic Imaging_, 1988, §3.4.1, equations
    /// 92 to 97: equiangular rays.
    pub(super) fn reconstruct(&self, integrals: &[f32], smoothing: f32) -> Vec<f32> {
        let kernel = self.kernel(smoothing);
        let mut image = vec![0.0; self.side * self.side];
        let mut filtered = vec![0.0; self.channels];
        for (view, row) in integrals.chunks_exact(self.channels).enumerate() {
            let weighted: Vec<f32> = row
                .iter()
                .enumerate()
                .map(|(channel, value)| value * SOURCE_MM * self.ray_rad(channel).cos())
                .collect();
            for (channel, value) in filtered.iter_mut().enumerate() {
                // `kernel[channels − 1 + n]` is the weight of a ray n channels away.
                let taps = &kernel[self.channels - 1 - channel..2 * self.channels - 1 - channel];
                *value = weighted.iter().zip(taps).map(|(w, tap)| w * tap).sum();
            }
            self.spread(&filtered, self.view_rad(view), &mut image);
        }
        image
    }

    /// The ramp filter for equiangular rays, blurred, times the steps of both integrals.
    pub(super) fn kernel(&self, smoothing: f32) -> Vec<f32> {
        let step = self.step_rad();
        let reach = self.channels as i32 - 1;
        let scale = step * std::f32::consts::TAU / self.views as f32;
        let ramp = |n: i32| match n {
            0 => 1.0 / (8.0 * step * step),
            n if n % 2 == 0 => 0.0,
            n => -0.5 / (std::f32::consts::PI * (n as f32 * step).sin()).powi(2),
        };
        let blur = super::protocol::bell_kernel(smoothing);
        let half = (blur.len() / 2) as i32;
        (-reach..=reach)
            .map(|n| {
                let taps = blur.iter().zip(-half..=half);
                scale * taps.map(|(weight, by)| weight * ramp(n + by)).sum::<f32>()
            })
            .collect()
    }

    /// Adds a filtered view to every pixel that its rays pass.
    fn spread(&self, filtered: &[f32], view_rad: f32, image: &mut [f32]) {
        let (sin, cos) = view_rad.sin_cos();
        let source = [SOURCE_MM * cos, SOURCE_MM * sin];
        let middle = 0.5 * (self.side - 1) as f32;
        let to_channel = 1.0 / self.step_rad();
        let centre = 0.5 * (self.channels - 1) as f32;
        for (y, row) in image.chunks_exact_mut(self.side).enumerate() {
            let down = (y as f32 - middle) * self.pixel_mm - source[1];
            for (x, pixel) in row.iter_mut().enumerate() {
                let aside = (x as f32 - middle) * self.pixel_mm - source[0];
                // Along the central ray, and across it.
                let along = -(cos * aside + sin * down);
                let across = sin * aside - cos * down;
                let ratio = across / along;
                // The arc tangent to 2e-5 within a quarter: a thousandth of a channel.
                let square = ratio * ratio;
                let angle = ratio * (1.0 - square * (1.0 / 3.0 - square * (0.2 - square / 7.0)));
                let place = centre + angle * to_channel;
                if place >= 0.0 && place < (self.channels - 1) as f32 {
                    let channel = place as usize;
                    let share = place - channel as f32;
                    let value =
                        filtered[channel] + share * (filtered[channel + 1] - filtered[channel]);
                    *pixel += value / (along * along + across * across);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disc_comes_back_with_its_value() {
        let fan = Fan { side: 128, pixel_mm: 1.8, views: 180, channels: 192 };
        let middle = 63.5;
        let disc: Vec<[f32; 1]> = (0..128 * 128)
            .map(|i| {
                let (x, y) = ((i % 128) as f32 - middle, (i / 128) as f32 - middle);
                // Off the middle, so that a mirrored way back would show.
                if (x - 20.0).hypot(y + 10.0) < 25.0 { [0.02] } else { [0.0] }
            })
            .collect();

        let integrals: Vec<f32> = fan.project(&disc).into_iter().map(|[sum]| sum).collect();
        let image = fan.reconstruct(&integrals, 0.5);

        let longest = integrals.iter().copied().fold(0.0, f32::max);
        assert!((longest - 0.02 * 50.0 * 1.8).abs() < 0.03, "the diameter: {longest}");
        let at = |x: usize, y: usize| image[y * 128 + x];
        for (x, y, wanted) in [(84, 54, 0.02), (75, 50, 0.02), (84, 70, 0.02), (40, 80, 0.0)] {
            assert!((at(x, y) - wanted).abs() < 4e-4, "{x}, {y}: {}", at(x, y));
        }
    }
}
