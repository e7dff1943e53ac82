package lazyfs

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// bench is a disk that is mounted, used, cut and looked at.
type bench struct {
	*testing.T
	d   *Disk
	dir string
}

func newBench(t *testing.T) *bench {
	return &bench{t, New(time.Now), t.TempDir()}
}

func (b *bench) use(fn func()) {
	b.Helper()
	if err := b.d.Use(b.dir, func() error { fn(); return nil }); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// put writes a file, syncing it and its folder where asked.
func (b *bench) put(name, text string, sync, syncFolder bool) {
	b.Helper()
	f, err := os.OpenFile(b.path(name), os.O_CREATE|os.O_RDWR, 0o600)
	b.must(err)
	_, err = f.WriteAt([]byte(text), 0)
	b.must(err)
	if sync {
		b.must(f.Sync())
	}
	b.must(f.Close())
	if syncFolder {
		b.syncFolder()
	}
}

func (b *bench) syncFolder() {
	b.Helper()
	f, err := os.Open(b.dir)
	b.must(err)
	b.must(f.Sync())
	b.must(f.Close())
}

// holds says what a file has; "-" for none.
func (b *bench) holds(name, want string) {
	b.Helper()
	got, err := os.ReadFile(b.path(name))
	switch {
	case os.IsNotExist(err) && want == "-":
	case err != nil:
		b.Errorf("%s: %v", name, err)
	case string(got) != want:
		b.Errorf("%s holds %q, want %q", name, got, want)
	}
}

func (b *bench) cut() { b.d.Cut(nil, 0) }

func TestWhatIsSyncedStays(t *testing.T) {
	b := newBench(t)
	b.use(func() {
		b.put("kept", "words", true, true)
		b.put("unsynced", "words", false, true)
		b.put("unnamed", "words", true, false)
	})
	b.cut()
	b.use(func() {
		b.holds("kept", "words")
		b.holds("unsynced", "")
		b.holds("unnamed", "-")
		b.put("kept", "WORDS and more", false, false)
		b.holds("kept", "WORDS and more")
	})
	b.cut()
	b.use(func() { b.holds("kept", "words") })
}

func TestNamesAreTheFoldersOwn(t *testing.T) {
	b := newBench(t)
	b.use(func() {
		b.put("a", "a", true, false)
		b.put("gone", "gone", true, true)
		b.must(os.Rename(b.path("a"), b.path("b")))
		b.must(os.Remove(b.path("gone")))
		b.holds("b", "a")
		b.holds("gone", "-")
	})
	b.cut()
	b.use(func() {
		b.holds("a", "a")
		b.holds("b", "-")
		b.holds("gone", "gone")
		b.must(os.Rename(b.path("a"), b.path("b")))
		b.must(os.Remove(b.path("gone")))
		b.must(os.Link(b.path("b"), b.path("c")))
		b.syncFolder()
	})
	b.cut()
	b.use(func() {
		b.holds("a", "-")
		b.holds("b", "a")
		b.holds("c", "a")
		b.holds("gone", "-")
	})
}

func TestTruncationIsForgotten(t *testing.T) {
	b := newBench(t)
	long := string(bytes.Repeat([]byte("0123456789abcdef"), 1000))
	b.use(func() {
		b.put("f", long, true, true)
		b.must(os.Truncate(b.path("f"), 5000))
		b.must(os.Truncate(b.path("f"), 9000))
		b.holds("f", long[:5000]+string(make([]byte, 4000)))
	})
	b.cut()
	b.use(func() { b.holds("f", long) })
}

// TestMain does the mapped part in a process of its own: a page fault of ours on our own file system stops the very process
// that has to serve it.
func TestMain(m *testing.M) {
	if name := os.Getenv("LAZYFS_MAP"); name != "" {
		if err := throughAMapping(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func throughAMapping(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := syscall.Mmap(int(f.Fd()), 0, page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	copy(m, "mapped")
	read := make([]byte, 6)
	if _, err := f.ReadAt(read, 0); err != nil || string(read) != "mapped" {
		return fmt.Errorf("a reader sees %q, %w", read, err)
	}
	if err := syscall.Munmap(m); err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte("data"), 100); err != nil {
		return err
	}
	return syscall.Fdatasync(int(f.Fd()))
}

// TestFdatasyncAndMmap: databases use both. What is written through a mapping is there for a reader, and kept by a sync.
func TestFdatasyncAndMmap(t *testing.T) {
	b := newBench(t)
	b.use(func() {
		b.put("m", string(make([]byte, page)), true, true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		other := exec.CommandContext(ctx, os.Args[0])
		other.Env = append(os.Environ(), "LAZYFS_MAP="+b.path("m"))
		if out, err := other.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	b.cut()
	b.use(func() {
		got, err := os.ReadFile(b.path("m"))
		b.must(err)
		if string(got[:6]) != "mapped" || string(got[100:104]) != "data" {
			t.Errorf("fdatasync kept %q and %q", got[:6], got[100:104])
		}
	})
}

// TestSomePagesSurvive: a disk that wrote some pages before the power went keeps these and no others.
func TestSomePagesSurvive(t *testing.T) {
	b := newBench(t)
	old, fresh := bytes.Repeat([]byte("o"), 20*page), bytes.Repeat([]byte("n"), 20*page)
	b.use(func() {
		b.put("f", string(old), true, true)
		b.put("f", string(fresh), false, false)
	})
	lost := b.d.Cut(rand.New(rand.NewPCG(1, 2)), 0.5)
	b.use(func() {
		got, err := os.ReadFile(b.path("f"))
		b.must(err)
		o, n := bytes.Count(got, []byte("o")), bytes.Count(got, []byte("n"))
		if o+n != 20*page || o%page != 0 || o/page != lost || n == 0 || o == 0 {
			t.Errorf("%d old and %d new bytes after %d lost pages", o, n, lost)
		}
	})
}

func TestNoMountNoProof(t *testing.T) {
	if _, err := New(time.Now).Mount(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a mount that failed goes unsaid")
	}
}
