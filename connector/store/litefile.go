package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// liteFile is the SQLite file as this process found it, locked against others.
type liteFile struct {
	path string
	lock *os.File
	kept map[string]fs.FileInfo // by what is added to path: what must stay where it is
}

// lockLite makes the file, private to its owner, and locks its neighbour against other processes. The lock file says who
// holds it.
func lockLite(path string, now time.Time) (*liteFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("store: the folder of the SQLite file%s: %w", whyFile(err), err)
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: the lock of the SQLite file%s: %w", whyFile(err), err)
	}
	if err := lockFile(lock); err != nil {
		defer lock.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("store: SQLite file %s cannot be locked: %w", path, err)
		}
		return nil, fmt.Errorf("store: SQLite file %s is in use by another process%s: stop it, or use Postgres for several processes", path, holder(lock))
	}
	f := &liteFile{path: path, lock: lock, kept: map[string]fs.FileInfo{}}
	if err := errors.Join(f.private(), f.sign(now)); err != nil {
		lock.Close()
		return nil, fmt.Errorf("store: the SQLite file%s: %w", whyFile(err), err)
	}
	return f, nil
}

// private gives the database, and what SQLite has left beside it, to its owner alone.
func (f *liteFile) private() error {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = errors.Join(file.Chmod(0o600), file.Close())
	}
	for _, beside := range []string{"-wal", "-shm"} { // SQLite gives new ones the file's own mode
		if e := os.Chmod(f.path+beside, 0o600); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// sign writes down who holds the lock, for the one who comes and finds it held.
func (f *liteFile) sign(now time.Time) error {
	host, _ := os.Hostname() // "" says nothing about the host
	text := fmt.Sprintf("%d (%s on %s, since %s)\n", os.Getpid(), filepath.Base(os.Args[0]), host, now.UTC().Format("2006-01-02 15:04:05Z"))
	if err := f.lock.Truncate(0); err != nil {
		return err
	}
	_, err := f.lock.WriteAt([]byte(text), 0)
	return err
}

// holder reads who holds a lock; "" where it does not say.
func holder(lock *os.File) string {
	text, err := io.ReadAll(io.LimitReader(lock, 200))
	if who := strings.TrimSpace(string(text)); err == nil && who != "" {
		return ", " + who
	}
	return ""
}

var errMoved = errors.New("was moved, replaced or removed while in use: put it back as it was, or restart chartwire to use what is there now")

// inPlace says whether the file, its log and its lock are still those that were opened. What is written to a file that has
// lost its name is gone with the process.
func (f *liteFile) inPlace() error {
	for _, part := range []string{"", "-wal", ".lock"} {
		now, err := os.Stat(f.path + part)
		switch known := f.kept[part]; {
		case err == nil && known == nil:
			f.kept[part] = now
		case known != nil && (err != nil || !os.SameFile(known, now)):
			return fmt.Errorf("the SQLite file %s%s %w", f.path, part, errMoved)
		}
	}
	return nil
}

// whyFile says what to do about an error of the operating system: ": …", or "".
func whyFile(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf(" cannot be written by this user (uid %d): give the folder to that user, or correct store.url", os.Geteuid())
	case errors.Is(err, syscall.EROFS):
		return " is on a file system mounted read-only: mount it writable, or correct store.url"
	case errors.Is(err, syscall.ENOSPC):
		return " has no room: the disk is full; free space and start again"
	}
	return ""
}

// whyLite says what to do about an error of SQLite, in front of its own words: "…: ", or "".
func whyLite(err error) string {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return ""
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return "the disk is full; free space and everything goes on by itself: "
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return "it cannot be written; make the folder and its files writable for this user: "
	case sqlite3.SQLITE_IOERR:
		return "the disk fails or is full; look at the system's log: "
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return "it is damaged or no database; restore a backup, or correct store.url: "
	}
	return ""
}
