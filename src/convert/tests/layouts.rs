//! Which columns the labels of a folder have.

use super::super::Found;
use super::*;

fn read_as(files: &[&str], yolo: Option<YoloKind>) -> Result<Vec<Found>, ConvertError> {
    let folder = tempfile::tempdir().unwrap();
    for (lines, at) in files.iter().zip(1..) {
        std::fs::write(folder.path().join(format!("v_{at}.txt")), lines).unwrap();
    }
    let options = Options { yolo, size: Some(Size::new(100, 100)), ..Options::default() };
    let (lines, _) = of_path(Format::Yolo, folder.path(), &options)?;
    Ok(frames(&lines).into_iter().flat_map(|frame| frame.boxes).collect())
}

fn read(files: &[&str]) -> Vec<Found> {
    read_as(files, None).unwrap()
}

/// What a folder may be, of one that is refused for want of an option.
fn unclear(files: &[&str]) -> String {
    let error = read_as(files, None).map(drop).unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("--yolo")), "{error}");
    error.to_string()
}

fn refused(files: &[&str]) -> String {
    read_as(files, None).map(drop).unwrap_err().to_string()
}

fn corners(found: &Found) -> [f64; 4] {
    let at = found.corners.unwrap();
    [at.x1, at.y1, at.x2, at.y2]
}

#[test]
fn boxes_are_told_by_five_columns_and_what_follows() {
    let found = &read(&["0 0.5 0.5 0.2 0.2\n", ""])[0];
    assert_eq!((corners(found), found.confidence), ([40.0, 40.0, 60.0, 60.0], Some(1.0)));
    let found = &read(&["29 0.339246 0.640001 0.0464199 0.219422 5\n"])[0];
    assert_eq!((found.class_id, found.tracker_id), (29, Some(5)));
    let found = &read(&["0 0.5 0.5 0.2 0.2 0.25\n0 0.5 0.5 0.2 0.2 1\n"]);
    assert_eq!((found[1].confidence, found[1].tracker_id), (Some(1.0), None));
    let found = &read(&["0 0.5 0.5 0.2 0.2 0.25 9\n", "0 0.5 0.5 0.2 0.2 0.5\n"]);
    assert_eq!((found[0].confidence, found[0].tracker_id), (Some(0.25), Some(9)));
    assert_eq!((found[1].confidence, found[1].tracker_id), (Some(0.5), None));
}

#[test]
fn a_one_behind_a_box_is_a_track_or_a_confidence() {
    let line = "0 0.5 0.5 0.2 0.2 1\n";
    let said = unclear(&[line]);
    assert!(said.contains("'detect', 'track'"), "{said}");
    assert_eq!(read_as(&[line], Some(YoloKind::Track)).unwrap()[0].tracker_id, Some(1));
    assert_eq!(read_as(&[line], Some(YoloKind::Detect)).unwrap()[0].tracker_id, None);
    let found = read(&[line, "0 0.5 0.5 0.2 0.2 2\n"]);
    assert_eq!((found[0].tracker_id, found[1].tracker_id), (Some(1), Some(2)), "the whole folder");
}

#[test]
fn keypoints_stand_behind_their_box() {
    let found = &read(&["0 0.5 0.5 0.2 0.2 0.45 0.45 2 0.55 0.55 2\n"])[0];
    assert_eq!(corners(found), [40.0, 40.0, 60.0, 60.0]);
    let spots: Vec<_> = found.keypoints.iter().map(|p| (p.x, p.y, p.confidence)).collect();
    assert_eq!(spots, [(45.0, 45.0, None), (55.0, 55.0, None)]);
    // Visibilities of 0 and 1 only, in several lines.
    let lines = "0 0.5 0.5 0.2 0.2 0.45 0.45 1 0.55 0.55 1\n0 0.3 0.5 0.2 0.2 0 0 0 0.35 0.55 1\n";
    let found = read(&[lines]);
    assert_eq!(found[1].keypoints[0].confidence, Some(0.0), "not there");
    assert_eq!(found[1].keypoints[1].x, 35.0);
    // Of two numbers: as an outline it would cross itself.
    let pairs = "0 0.2 0.5 0.1 0.2 0.21 0.45 0.19 0.55 0.2 0.5\n";
    let found = &read(&[pairs])[0];
    assert_eq!((found.keypoints.len(), found.keypoints[1].y), (3, 55.0));
    // All near each other: three of two numbers, two of three, or an outline of five points.
    let near = "0 0.5 0.5 0.4 0.4 0.45 0.35 0.6 0.4 0.55 0.55\n";
    let said = unclear(&[near]);
    assert!(said.contains("'pose2', 'pose3', 'segment'"), "{said}");
    assert!(read_as(&[near], Some(YoloKind::Pose)).is_err());
    let count = |kind| read_as(&[near], Some(kind)).unwrap()[0].keypoints.len();
    assert_eq!((count(YoloKind::Pose2), count(YoloKind::Pose3)), (3, 2));
}

#[test]
fn outlines_have_many_lengths() {
    let quad = "0 0.1 0.1 0.3 0.1 0.35 0.4 0.1 0.3\n";
    let five = "1 0.1 0.1 0.3 0.1 0.3 0.4 0.2 0.45 0.1 0.4\n";
    let found = read(&[quad, five]);
    assert_eq!((found[0].points.len(), found[1].points.len()), (4, 5));
    assert_eq!(corners(&found[1]), [10.0, 10.0, 30.0, 45.0]);
    let sure = read(&["0 0.1 0.1 0.3 0.1 0.3 0.4 0.9\n", &five.replace('\n', " 0.5\n")]);
    assert_eq!((sure[0].points.len(), sure[0].confidence), (3, Some(0.9)));
    let boxed = read(&[five, "0 0.5 0.5 0.2 0.2\n"]);
    assert_eq!((boxed[0].points.len(), corners(&boxed[1])), (5, [40.0, 40.0, 60.0, 60.0]));
}

#[test]
fn four_corners_are_oriented_boxes_or_outlines() {
    // A rectangle around (50, 50), turned by 45 degrees.
    let turned = "0 0.5 0.3 0.7 0.5 0.5 0.7 0.3 0.5\n";
    let said = unclear(&[turned]);
    assert!(said.contains("obb") && said.contains("segment"), "{said}");
    let found = &read_as(&[turned], Some(YoloKind::Obb)).unwrap()[0];
    assert!(found.rotation_deg.is_some());
    let found = &read_as(&[turned], Some(YoloKind::Segment)).unwrap()[0];
    assert_eq!((found.rotation_deg, found.points.len()), (None, 4));
}

#[test]
fn labels_that_are_none_are_refused() {
    assert!(refused(&["0 50 50 20 20\n"]).contains("fractions"), "pixels");
    assert!(refused(&["0 0.5 0.5 0.2\n"]).contains("4 columns"));
    assert!(
        refused(&["0 0.5 0.5 0.2 0.2\n", "0 0.5 0.5 0.2 0.2 0.9 4 5\n"])
            .contains("v_2.txt', line 1")
    );
    assert!(refused(&["0.93 cat\n"]).contains("'cat' is not a number"));
    let folder = tempfile::tempdir().unwrap();
    let error = of_path(Format::Yolo, folder.path(), &sized()).unwrap_err().to_string();
    assert!(error.contains("has no label files"), "{error}");
    let error = read_as(&["0 0.5 0.5 0.2 0.2\n"], Some(YoloKind::Obb)).unwrap_err().to_string();
    assert!(error.contains("9 to 11"), "{error}");
}
