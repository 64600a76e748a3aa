//! Files and folders that are removed or replaced while they are in use.

use super::*;

/// The journal of node 1, with room and this answer in it.
async fn with_one(folder: &Path) -> FileJournal {
    let journal = journal(&[folder], 1);
    drop(journal.reserve().await.unwrap());
    journal.append(&entry(1)).await.unwrap();
    journal
}

/// What others find once the process of this journal has been killed.
async fn left_by(journal: FileJournal, folder: &Path) -> Vec<Entry> {
    drop(journal);
    entries(&super::journal(&[folder], 2)).await
}

#[tokio::test]
async fn what_comes_after_a_file_was_removed_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&[dir.path()], 1);
    let room = journal.reserve().await.unwrap();
    let removed = only_file(dir.path());
    fs::remove_file(&removed).unwrap();
    journal.append(&entry(1)).await.unwrap();
    drop(room);
    assert_ne!(only_file(dir.path()), removed, "a name means one file only");
    assert_eq!(left_by(journal, dir.path()).await, [entry(1)]);
}

#[tokio::test]
async fn what_was_in_a_file_that_was_removed_is_written_down_again() {
    let dir = tempfile::tempdir().unwrap();
    for again in ["append", "entries", "reserve", "close"] {
        let folder = dir.path().join(again);
        let journal = with_one(&folder).await;
        fs::remove_file(only_file(&folder)).unwrap();
        let mut kept = vec![entry(1)];
        match again {
            "append" => {
                journal.append(&entry(2)).await.unwrap();
                kept.push(entry(2));
            }
            "entries" => assert_eq!(entries(&journal).await, kept),
            "reserve" => drop(journal.reserve().await.unwrap()),
            _ => journal.close().await,
        }
        assert_eq!(left_by(journal, &folder).await, kept, "{again}");
    }
}

#[tokio::test]
async fn what_can_be_written_nowhere_else_is_found_by_its_own_process() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("journal");
    let journal = with_one(&folder).await;
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "in the way").unwrap();
    assert_eq!(entries(&journal).await, [entry(1)]);
    assert!(journal.reserve().await.is_err());
    fs::remove_file(&folder).unwrap();
    assert_eq!(entries(&journal).await, [entry(1)]);
    assert_eq!(left_by(journal, &folder).await, [entry(1)]);
}

#[tokio::test]
async fn what_is_settled_is_not_written_down_again() {
    let dir = tempfile::tempdir().unwrap();
    let journal = with_one(dir.path()).await;
    journal.append(&entry(2)).await.unwrap();
    fs::remove_file(only_file(dir.path())).unwrap();
    journal.settle(&[attempt(1)]).await.unwrap();
    assert_eq!(entries(&journal).await, [entry(2)]);
    journal.settle(&[attempt(2)]).await.unwrap();
    journal.close().await;
    assert_eq!(listing(dir.path()), <[PathBuf; 0]>::default());
}

#[tokio::test]
async fn room_is_made_anew_where_its_file_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("journal");
    let journal = journal(&[&folder], 1);
    let held = journal.reserve().await.unwrap();
    fs::remove_dir_all(&folder).unwrap();
    drop(journal.reserve().await.unwrap());
    assert_eq!(fs::metadata(only_file(&folder)).unwrap().len(), 64 * 1024, "also for those who have room");
    drop(held);
}

#[tokio::test]
async fn a_copy_in_the_place_of_a_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, copy) = (dir.path().join("journal"), dir.path().join("copy"));
    let journal = with_one(&folder).await;
    let path = only_file(&folder);
    fs::copy(&path, &copy).unwrap();
    fs::rename(&copy, &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    drop(journal.reserve().await.unwrap());
    assert_eq!(entries(&journal).await, [entry(1)], "once, though it is in both");
    journal.close().await;
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[tokio::test]
async fn a_folder_that_is_put_aside_may_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, away) = (dir.path().join("journal"), dir.path().join("away"));
    let journal = with_one(&folder).await;
    fs::rename(&folder, &away).unwrap();
    journal.append(&entry(2)).await.unwrap();
    let before = only_file(&away);
    fs::rename(&before, folder.join(before.file_name().unwrap())).unwrap();
    journal.append(&entry(3)).await.unwrap();
    let kept = [entry(1), entry(2), entry(3)];
    assert_eq!(entries(&journal).await, kept);
    assert_eq!(left_by(journal, &folder).await, kept);
}

#[tokio::test]
async fn what_comes_after_a_file_was_emptied_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let journal = with_one(dir.path()).await;
    fs::write(only_file(dir.path()), "").unwrap();
    journal.append(&entry(2)).await.unwrap();
    assert_eq!(left_by(journal, dir.path()).await, [entry(2)], "though it has no header any more");
}
