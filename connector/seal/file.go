package seal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// maxKeyset bounds what is read as a keyset, in bytes: some 4,000 keys.
const maxKeyset = 1 << 20

// Init makes a new keyset in path, readable by its owner alone. It refuses, with
// an error that is fs.ErrExist, where anything is there already: a keyset
// overwritten is a store lost.
func Init(path string, now time.Time) error {
	k, err := generate(now)
	if err != nil {
		return err
	}
	err = writeNew(path, k)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keyset file %s: %w; overwriting it would lose all that is sealed with it (chartwire keys rotate adds a key)", path, fs.ErrExist)
	}
	return err
}

// Rotate adds a new primary AEAD key to the file in path and returns its id. Old
// keys stay and keep opening what they sealed. Running processes go on with the
// old primary until they Reload; a process that meets a value under the new key
// first gets ErrUnknownKey, and reloads.
//
// The lookup key is not rotated: it makes the hashes by which repeated events are
// recognised years later, and the audit log's signing key; new hashes cannot be
// made from old ones without opening every sealed value, so replacing it is a
// migration of the store, not a change of this file.
func Rotate(path string, now time.Time) (uint32, error) {
	next := path + ".new"
	lock, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("%s exists: another rotation is running, or one was interrupted; if none is running, delete it (no value is sealed with its new key) and rotate again", next)
	}
	if err != nil {
		return 0, fmt.Errorf("rotating keyset file %s: %w", path, err)
	}
	id, err := rotateInto(lock, path, now)
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		os.Remove(next)
		return 0, err
	}
	return id, syncDir(path)
}

// rotateInto reads path, adds a key and writes all into f, which it closes.
func rotateInto(f *os.File, path string, now time.Time) (uint32, error) {
	defer f.Close()
	b, err := readKeyset(path)
	if err != nil {
		return 0, err
	}
	k, err := parse(b)
	if err != nil {
		return 0, fmt.Errorf("keyset file %s: %w", path, err)
	}
	k, id, err := k.rotated(now)
	if err != nil {
		return 0, fmt.Errorf("keyset file %s: %w", path, err)
	}
	return id, write(f, k)
}

// writeNew writes k to a file that must not exist yet.
func writeNew(path string, k *keyset) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := write(f, k); err != nil {
		f.Close()
		os.Remove(path) // nothing is sealed with it yet
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return syncDir(path)
}

func write(f *os.File, k *keyset) error {
	b, err := k.marshal()
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return fmt.Errorf("writing keyset file: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("writing keyset file: %w", err)
	}
	return nil
}

// syncDir makes a new name in path's folder survive a power cut.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil // a folder cannot be synced there
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("keyset file %s: %w", path, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("keyset file %s: %w", path, err)
	}
	return nil
}

// checkPrivate refuses a keyset that others may read or that the group may
// change. The group may read: that is how service managers and clusters hand a
// secret to an unprivileged process.
func checkPrivate(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("keyset file: %w", err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o037 != 0 {
		return fmt.Errorf("keyset file %s has mode %04o: others may read it or the group may write it; run chmod 600 on it, and rotate if anybody did", f.Name(), mode)
	}
	return nil
}

func readAll(f *os.File) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(f, maxKeyset+1))
	if err != nil {
		return nil, fmt.Errorf("keyset file: %w", err)
	}
	if len(b) > maxKeyset {
		return nil, fmt.Errorf("keyset file %s is over %d bytes: not a keyset", f.Name(), maxKeyset)
	}
	return b, nil
}
