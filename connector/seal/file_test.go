package seal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func initialised(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyset.json")
	if err := Init(path, born); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, path string) *Sealer {
	t.Helper()
	s, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestInitRefusesToOverwrite(t *testing.T) {
	path := initialised(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Init(path, born); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Init = %v, want fs.ErrExist", err)
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("the keyset changed")
	}
	if err := Init(filepath.Join(path, "below"), born); err == nil {
		t.Error("Init below a file succeeded")
	}
}

func TestFilePermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits on Windows: the keyset is as private as its folder")
	}
	path := initialised(t)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("Init wrote mode %v, %v", info.Mode(), err)
	}
	for mode, ok := range map[fs.FileMode]bool{
		0o600: true, 0o400: true, 0o440: true, 0o640: true,
		0o644: false, 0o604: false, 0o660: false, 0o602: false, 0o777: false,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); (err == nil) != ok {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Rotate(path, born); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("Rotate wrote mode %v, %v", info.Mode(), err)
	}
}

func TestRotate(t *testing.T) {
	path := initialised(t)
	running := load(t, path)
	old := running.Seal([]byte("before"), place)
	lookup, derived := running.Lookup("event", "1"), running.Derive("audit")

	id, err := Rotate(path, born.Add(48*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	rotated := load(t, path)
	sealed := rotated.Seal([]byte("after"), place)
	if got, _ := KeyID(sealed); got != id {
		t.Errorf("sealed under %d, want the new primary %d", got, id)
	}
	if plain, err := rotated.Open(old, place); err != nil || string(plain) != "before" {
		t.Errorf("old value after rotation: %v", err)
	}
	if string(rotated.Lookup("event", "1")) != string(lookup) || string(rotated.Derive("audit")) != string(derived) {
		t.Error("rotation changed lookups or derived secrets")
	}

	if _, err := running.Open(sealed, place); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("a running process meets the new key: %v, want ErrUnknownKey", err)
	}
	if err := running.Reload(path); err != nil {
		t.Fatal(err)
	}
	if plain, err := running.Open(sealed, place); err != nil || string(plain) != "after" {
		t.Errorf("after Reload: %v", err)
	}

	keys := rotated.List()
	if len(keys) != 3 {
		t.Fatalf("List = %v, want two AEAD keys and one lookup key", keys)
	}
	newest := keys[2]
	if newest.ID != id || !newest.Primary || newest.Use != UseAEAD || newest.Status != "enabled" ||
		newest.Age(born.Add(72*time.Hour)) != 24*time.Hour {
		t.Errorf("newest key = %+v", newest)
	}
	for _, k := range keys[:2] {
		if !k.Created.Equal(born) || k.Use == UseAEAD && k.Primary {
			t.Errorf("old key = %+v", k)
		}
	}
}

func TestRotateLeavesTheFileWhereItFails(t *testing.T) {
	path := initialised(t)
	before, _ := os.ReadFile(path)
	if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Rotate(path, born); err == nil || !strings.Contains(err.Error(), "another rotation") {
		t.Errorf("Rotate beside another = %v", err)
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("the keyset changed")
	}
	missing := filepath.Join(t.TempDir(), "none.json")
	if _, err := Rotate(missing, born); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Rotate of nothing = %v", err)
	}
	if _, err := os.Stat(missing + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a failed rotation left its file behind")
	}
}

// No rotation may lose another's key, and a Sealer may be reloaded under load.
func TestRotateAndReloadTogether(t *testing.T) {
	path := initialised(t)
	s := load(t, path)
	var wg sync.WaitGroup
	var done sync.Map
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if id, err := Rotate(path, born); err == nil {
					done.Store(id, true)
				}
				if err := s.Reload(path); err != nil {
					t.Error(err)
				}
				v := s.Seal([]byte("v"), place)
				if _, err := s.Open(v, place); err != nil {
					t.Errorf("own value after Reload: %v", err)
				}
			}
		})
	}
	wg.Wait()
	final, n := load(t, path), 0
	done.Range(func(id, _ any) bool {
		n++
		if !final.keys.Load().holds(id.(uint32)) {
			t.Errorf("key %d was reported as made and is lost", id)
		}
		return true
	})
	if n == 0 || len(final.List()) != n+2 {
		t.Errorf("%d rotations succeeded, %d keys in the file", n, len(final.List()))
	}
}

func TestReloadRefusesAnotherKeyset(t *testing.T) {
	path, other := initialised(t), initialised(t)
	s := load(t, path)
	v := s.Seal([]byte("v"), place)
	if err := s.Reload(other); err == nil {
		t.Error("took another installation's keyset")
	}

	before, _ := os.ReadFile(path)
	if _, err := Rotate(path, born); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(path); err != nil {
		t.Fatal(err)
	}
	newer := s.Seal([]byte("newer"), place)
	if err := os.WriteFile(path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(path); err == nil {
		t.Error("took a restored file that lacks a key in use")
	}
	for _, sealed := range [][]byte{v, newer} {
		if _, err := s.Open(sealed, place); err != nil {
			t.Errorf("a refused Reload lost a key: %v", err)
		}
	}
	if err := s.Reload(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Reload of nothing = %v", err)
	}
}

func TestLoadRefusesAnEndlessFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(path, make([]byte, maxKeyset+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "not a keyset") {
		t.Errorf("Load = %v", err)
	}
}
