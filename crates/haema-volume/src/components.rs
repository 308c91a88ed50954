//! Connected parts of a mask.

use crate::region::is_all_zero;
use crate::volume::Volume;

/// Which voxels count as neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connectivity {
    /// Those that share a face: 6.
    Faces,
    /// Those that share a face or an edge: 18.
    Edges,
    /// Those that share a face, an edge or a corner: 26.
    Corners,
}

/// The connected parts of a mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Components {
    labels: Volume<u32>,
    voxel_counts: Vec<u64>,
}

impl Components {
    /// Finds the connected parts of a mask, whose foreground is every voxel that is not 0.
    ///
    /// Labels run from 1 in the order of each part's first voxel in memory.
    ///
    /// # Panics
    ///
    /// Where the mask has more than 2³² runs of foreground along `x`: more than 8 GB of mask.
    pub fn of(mask: &Volume<u8>, connectivity: Connectivity) -> Self {
        let mut runs = Runs::of(mask);
        runs.join(mask.size(), connectivity);
        runs.into_components(mask.size())
    }

    /// 0 for background, otherwise the part's label.
    pub fn labels(&self) -> &Volume<u32> {
        &self.labels
    }

    /// Number of voxels of each part: that of label 1 first.
    pub fn voxel_counts(&self) -> &[u64] {
        &self.voxel_counts
    }

    /// The label of the part with most voxels, the first of equals; none in an empty mask.
    pub fn largest(&self) -> Option<u32> {
        let most = *self.voxel_counts.iter().max()?;
        let index = self.voxel_counts.iter().position(|&count| count == most)?;
        Some(index as u32 + 1)
    }

    /// 1 where a voxel has this label, 0 elsewhere.
    pub fn mask_of(&self, label: u32) -> Volume<u8> {
        self.labels.map(|&found| u8::from(found == label))
    }
}

/// A stretch of foreground along `x`.
#[derive(Debug, Clone, Copy)]
struct Run {
    x_from: u32,
    x_to: u32,
    /// A run of the same part, at or before this one: the union-find forest.
    parent: u32,
}

struct Runs {
    runs: Vec<Run>,
    /// `runs[row_starts[row]..row_starts[row + 1]]` lie in that row, rows in memory order.
    row_starts: Vec<usize>,
}

impl Runs {
    fn of(mask: &Volume<u8>) -> Self {
        let columns = mask.size()[2].max(1);
        let mut found = Self { runs: vec![], row_starts: vec![0] };
        for row in mask.as_slice().chunks_exact(columns) {
            let mut at = if is_all_zero(row) { columns } else { 0 };
            while let Some(skipped) = row[at..].iter().position(|&voxel| voxel != 0) {
                let from = at + skipped;
                let len = row[from..].iter().position(|&voxel| voxel == 0);
                at = len.map_or(columns, |len| from + len);
                let parent = u32::try_from(found.runs.len()).expect("documented as a panic");
                found.runs.push(Run { x_from: from as u32, x_to: at as u32, parent });
            }
            found.row_starts.push(found.runs.len());
        }
        found
    }

    fn join(&mut self, [depth, rows, _]: [usize; 3], connectivity: Connectivity) {
        // How far apart along x runs may be in a row that shares a face, and one that shares only
        // an edge, with this one.
        let (face_reach, edge_reach) = match connectivity {
            Connectivity::Faces => (0, None),
            Connectivity::Edges => (1, Some(0)),
            Connectivity::Corners => (1, Some(1)),
        };
        for z in 0..depth {
            for y in 0..rows {
                let row = z * rows + y;
                if y > 0 {
                    self.join_rows(row, row - 1, face_reach);
                }
                if z == 0 {
                    continue;
                }
                let below = row - rows;
                self.join_rows(row, below, face_reach);
                let Some(reach) = edge_reach else { continue };
                if y > 0 {
                    self.join_rows(row, below - 1, reach);
                }
                if y + 1 < rows {
                    self.join_rows(row, below + 1, reach);
                }
            }
        }
    }

    fn join_rows(&mut self, row: usize, earlier: usize, reach: u32) {
        let (mut a, a_end) = (self.row_starts[row], self.row_starts[row + 1]);
        let (mut b, b_end) = (self.row_starts[earlier], self.row_starts[earlier + 1]);
        while a < a_end && b < b_end {
            let (here, there) = (self.runs[a], self.runs[b]);
            if here.x_from < there.x_to + reach && there.x_from < here.x_to + reach {
                self.unite(a, b);
            }
            if here.x_to < there.x_to {
                a += 1;
            } else {
                b += 1;
            }
        }
    }

    fn root(&mut self, mut run: usize) -> usize {
        while self.runs[run].parent as usize != run {
            let grandparent = self.runs[self.runs[run].parent as usize].parent;
            self.runs[run].parent = grandparent;
            run = grandparent as usize;
        }
        run
    }

    /// The earlier root stays, so that the root of a part is its first run.
    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.runs[a.max(b)].parent = a.min(b) as u32;
    }

    fn into_components(mut self, size: [usize; 3]) -> Components {
        let mut labels = Volume::filled(size, 0_u32);
        let mut voxel_counts: Vec<u64> = vec![];
        let mut label_of_run = vec![0_u32; self.runs.len()];
        let columns = size[2].max(1);
        for row in 0..self.row_starts.len() - 1 {
            for index in self.row_starts[row]..self.row_starts[row + 1] {
                let root = self.root(index);
                if root == index {
                    voxel_counts.push(0);
                    label_of_run[index] = voxel_counts.len() as u32;
                }
                let label = label_of_run[root];
                let Run { x_from, x_to, .. } = self.runs[index];
                voxel_counts[label as usize - 1] += u64::from(x_to - x_from);
                let start = row * columns;
                labels.as_mut_slice()[start + x_from as usize..start + x_to as usize].fill(label);
            }
        }
        Components { labels, voxel_counts }
    }
}
