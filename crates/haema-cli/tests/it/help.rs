//! The help is part of the program: it says units, defaults and exit codes.

use insta::assert_snapshot;

use crate::stand::Stand;

#[test]
fn the_short_help_names_every_command() {
    let ended = Stand::new().run("--help");

    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_snapshot!(ended.out, @"
    Finds intracranial bleeds on non-contrast head CT and measures them.

    Research software: not a medical device, and not for clinical decisions without a qualified reader.

    Usage: haema <COMMAND>

    Commands:
      segment    Finds the bleed on each scan: mask, volume, report
      compare    Tells whether a bleed has grown between two scans of one patient
      info       Says what was found, which series would be used and why, and where its slices lie
      import     Brings a public data set into the raw layout of nnU-Net, or weights of others into a
                 model
      train      Trains a method on a dataset in the raw layout of nnU-Net
      tune       Searches settings for `haema train`: depth, learning rate and dropout, by the
                 validation loss
      eval       Scores a method on cases of a dataset: a table of cases, and figures with intervals
      calibrate  Teaches a model what its probabilities mean: the chance of a bleed, and the mask
      export     Writes a model in a form that other programs read
      bench      Times the network alone, and the whole way from DICOM files to written results
      selftest   Measures phantoms of known volume, and says how near it comes
      simulate   Makes head CT with bleeds of exactly known volume, as a dataset
      study      Trains and times every method on one split, and makes the tables and figures of Arab et
                 al. 2020
      help       Print this message or the help of the given subcommand(s)

    Options:
      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version
    ");
}

#[test]
fn segment_tells_what_it_takes_and_leaves() {
    assert_snapshot!(Stand::new().run("segment --help").out, @"
    Finds the bleed on each scan: mask, volume, report.

    Each scan gets a folder in DIR, named after its file; a DICOM series gets a pseudonym. It holds
    mask.nii.gz and mask.seg.nrrd on the scan's own grid, report.json and report.html. DIR/summary.csv
    has a row for each scan; DIR/worklist.csv and worklist.html say in which order to look at them. What
    is done already is passed over.

    Exit code 0: all done; 1: some inputs were refused or failed, the summary says why; 2: nothing could
    be done.

    Usage: haema segment [OPTIONS] --out <DIR> [INPUT]...

    Arguments:
      [INPUT]...
              DICOM folder, zip or file, NIfTI, NRRD or MetaImage file; of a folder with such image
              files, each is a scan

    Options:
      -o, --out <DIR>
              Folder for the results; made where there is none

          --sample
              Segment the built-in sample head: haema's own simulation, no patient

          --method <METHOD>
              How to segment [default: the method of --model, else cnn-ds]

              Possible values:
              - cnn-ds:              The convolutional network with deep supervision of Arab et al. 2020
              - cnn:                 The same network without deep supervision
              - patch-unet:          A 3-D U-Net of overlapping patches: Çiçek et al. 2016
              - slice-unet:          A 2-D U-Net of slices: Ironside et al. 2019
              - slice-unet-hssayeni: A 2-D U-Net of windows of slices: Hssayeni et al. 2020
              - pitchperfect:        `PItcHPERFeCT`, a forest over 20 predictors of a voxel: Muschelli
                et al. 2017

          --model <FILE>
              Weights that haema train made; given several times, the probabilities of all are averaged
              [default: the model that is built in]

          --precision <PRECISION>
              How the network keeps its tensors

              Possible values:
              - fp32: 32 bits
              - bf16: bfloat16: a third less memory, masks that differ by some voxels
              
              [default: fp32]

          --threshold <P[,SEED]>
              Above this probability a voxel belongs to the bleed; of two, such as 0.25,0.8, the second
              is one that each part must pass somewhere [default: the model's own]

          --series-uid <UID>
              The DICOM series to take, by its Series Instance UID or the short name that haema info
              gives [default: haema chooses and says why]

          --device <DEVICE>
              What the network runs on

              Possible values:
              - cpu: The processor's cores: haema's own kernels
              - gpu: The graphics card, in a haema that was built with one: gpu/README.md in the
                repository
              
              [default: cpu]

          --threads <N>
              How many threads; the result is the same for any number [default: one for each core]

          --save-probability
              Write probability.nii.gz too: each voxel's probability of being bleed, 0 to 1

          --save-paths
              Write the inputs' paths into summary.csv; a path may name a person

          --force
              Do again what is done already

          --json
              Print one JSON document a line for each input: its report, or why there is none

      -h, --help
              Print help (see a summary with '-h')
    ");
}

#[test]
fn import_tells_the_unit_and_the_default() {
    let out = Stand::new().run("import ct-ich --help").out;

    assert!(out.contains("mm") && out.contains("[default: 0.42]"), "{out}");
}
