//! Oriented boxes in the labels that hold them.

use proptest::prelude::*;

use super::*;

/// A frame of ours: a box of 40 x 20 px around (50, 40), turned by 30 degrees, and an upright one.
/// By hand: cos 30 = 0.8660254 and sin 30 = 0.5, so the first corner is at
/// (50 - 20 * 0.866 + 10 * 0.5, 40 - 20 * 0.5 - 10 * 0.866) = (37.68, 21.34).
const OURS: &str = concat!(
    r#"{"type":"frame","source":"v.mp4","frame_id":0,"image":{"width":100,"height":80},"predictions":["#,
    r#"{"x":50.0,"y":40.0,"width":44.64,"height":37.32,"bbox":{"x1":27.68,"y1":21.34,"x2":72.32,"y2":58.66,"width":44.64,"height":37.32},"confidence":0.9,"class":"large vehicle","class_id":1,"tracker_id":7,"detection_id":"7be90eb1-2602-5a64-90a7-787cec99efcb","points":[{"x":37.68,"y":21.34},{"x":72.32,"y":41.34},{"x":62.32,"y":58.66},{"x":27.68,"y":38.66}],"rotation_deg":30.0},"#,
    r#"{"x":60.0,"y":40.0,"width":10.0,"height":10.0,"bbox":{"x1":55.0,"y1":35.0,"x2":65.0,"y2":45.0,"width":10.0,"height":10.0},"confidence":0.5,"class":"ship","class_id":0,"detection_id":"72b1f712-22a4-536b-905b-238a471da6f2"}]}"#,
    "\n",
);

fn written(to: Format, options: &Options) -> (tempfile::TempDir, String, Counts) {
    let folder = tempfile::tempdir().unwrap();
    let counts = to_path(to, OURS, &folder.path().join("labels"), options).unwrap();
    let label = std::fs::read_to_string(folder.path().join("labels/v_1.txt")).unwrap();
    (folder, label, counts)
}

#[test]
fn labels_of_oriented_boxes_have_their_corners() {
    let (folder, label, _) = written(Format::YoloObb, &Options::default());
    assert_eq!(
        label,
        "1 0.3768000 0.2667500 0.7232000 0.5167500 0.6232000 0.7332500 0.2768000 0.4832500 0.9000 7\n\
         0 0.5500000 0.4375000 0.6500000 0.4375000 0.6500000 0.5625000 0.5500000 0.5625000 0.5000\n"
    );
    let names = std::fs::read_to_string(folder.path().join("labels/classes.txt")).unwrap();
    assert_eq!(names, "ship\nlarge vehicle\n");
    let train = Options { confidence: false, ..Options::default() };
    let (_, label, _) = written(Format::YoloObb, &train);
    assert!(label.lines().all(|line| line.split(' ').count() == 9), "{label}");
}

#[test]
fn dota_has_pixels_and_names() {
    let (folder, label, counts) = written(Format::Dota, &Options::default());
    assert_eq!(
        label,
        "37.68 21.34 72.32 41.34 62.32 58.66 27.68 38.66 large-vehicle 0\n\
         55.00 35.00 65.00 35.00 65.00 45.00 55.00 45.00 ship 0\n"
    );
    for note in ["dota cannot hold tracks: 1 lost", "dota cannot hold confidences: 2 lost"] {
        assert!(counts.notes.iter().any(|said| said == note), "{:?}", counts.notes);
    }
    let path = folder.path().join("labels");
    assert!(!path.join("classes.txt").exists());
    std::fs::write(path.join("v_1.txt"), format!("imagesource:GoogleEarth\ngsd:0.15\n{label}"))
        .unwrap();
    let named = Options { names: vec!["ship".into(), "large vehicle".into()], ..sized() };
    let (lines, _) = of_path(Format::Dota, &path, &named).unwrap();
    let found = &frames(&lines)[0].boxes;
    assert_eq!((found[0].class_id, found[1].class_id), (1, 0));
    // From corners of two decimal places.
    assert!((found[0].rotation_deg.unwrap() - 30.0).abs() < 0.05);
    let (lines, counts) = of_path(Format::Dota, &path, &sized()).unwrap();
    assert_eq!(frames(&lines)[0].boxes[0].class_id, 0, "in the order they came");
    assert!(counts.notes.iter().any(|said| said.contains("--names")), "{:?}", counts.notes);
    let other = Options { names: vec!["plane".into()], ..sized() };
    let error = of_path(Format::Dota, &path, &other).unwrap_err().to_string();
    assert!(error.contains("'large-vehicle' is not among the names"), "{error}");
}

#[test]
fn an_outline_becomes_its_upright_box_and_that_is_said() {
    let outline = OURS.replace(r#","rotation_deg":30.0"#, "");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels");
    let counts = to_path(Format::YoloObb, &outline, &path, &Options::default()).unwrap();
    let label = std::fs::read_to_string(path.join("v_1.txt")).unwrap();
    assert!(label.starts_with("1 0.2768000 0.2667500 0.7232000 0.2667500 "), "{label}");
    let note = "yolo-obb cannot hold outlines: 1 lost";
    assert!(counts.notes.iter().any(|said| said == note), "{:?}", counts.notes);
}

#[test]
fn other_labels_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |format: Format, label: &str| {
        std::fs::write(folder.path().join("v_1.txt"), label).unwrap();
        of_path(format, folder.path(), &sized()).unwrap_err().to_string()
    };
    let said = refusal(Format::YoloObb, "0 0.5 0.5 0.2 0.2");
    assert!(said.contains("5 columns where an oriented label has 9 to 11"), "{said}");
    let said = refusal(Format::Dota, "1 2 3 4 5 6 7 8");
    assert!(said.contains("8 columns"), "{said}");
    let said = refusal(Format::Dota, "1 2 3 4 5 6 7 nan ship 0");
    assert!(said.contains("'nan' is not a number"), "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(48), ..ProptestConfig::default() })]

    /// Also where a corner lies outside of the picture.
    #[test]
    fn corners_come_back(
        (x, y, w, h) in (20..80_u32, 20..60_u32, 8..60_u32, 8..60_u32), degrees in 0..180_u32,
    ) {
        let (sin, cos) = f64::from(degrees).to_radians().sin_cos();
        let corner = |right: f64, down: f64| {
            let (across, along) = (right * f64::from(w) / 2.0, down * f64::from(h) / 2.0);
            let at = [
                f64::from(x) + across * cos - along * sin, f64::from(y) + across * sin + along * cos,
            ];
            at.map(|v| crate::record::round(v, 100.0))
        };
        let points: Vec<[f64; 2]> =
            vec![corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)];
        let turn = if w >= h { degrees } else { (degrees + 90) % 180 };
        let shown: Vec<String> =
            points.iter().map(|[x, y]| format!(r#"{{"x":{x:?},"y":{y:?}}}"#)).collect();
        let line = format!(
            r#"{{"type":"frame","source":"v.mp4","frame_id":0,"image":{{"width":100,"height":80}},"predictions":[{{"bbox":{{"x1":1.0,"y1":1.0,"x2":9.0,"y2":9.0}},"confidence":0.5,"class":"a","class_id":0,"points":[{}],"rotation_deg":{turn}.0}}]}}"#,
            shown.join(",")
        );
        for format in [Format::YoloObb, Format::Dota] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("labels");
            to_path(format, &line, &path, &Options::default()).unwrap();
            let (lines, _) = of_path(format, &path, &sized()).unwrap();
            let found = &frames(&lines)[0].boxes[0];
            prop_assert_eq!(&found.points, &points);
            let off = (found.rotation_deg.unwrap() - f64::from(turn)).rem_euclid(180.0);
            // Corners are rounded to 0.01 px, sides are 8 px and more.
            prop_assert!(w == h || off.min(180.0 - off) < 0.15, "{} degrees off", off);
        }
    }
}
