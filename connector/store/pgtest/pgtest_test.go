//go:build unix

package pgtest

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

const childMark = "CHARTWIRE_PGTEST_CHILD"

func TestEachDatabaseIsItsOwn(t *testing.T) {
	for _, url := range []string{New(t), New(t)} {
		c, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(t.Context())
		if _, err := c.Exec(t.Context(), "CREATE TABLE mine (n int)"); err != nil {
			t.Error(err)
		}
	}
}

// A test process that is killed leaves no server and no files behind.
func TestTheClusterEndsWithItsProcess(t *testing.T) {
	if os.Getenv(childMark) != "" {
		New(t)
		c, err := shared()
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("folder " + c.dir + "\n")
		select {} // until killed
	}
	child := exec.Command(os.Args[0], "-test.run=^TestTheClusterEndsWithItsProcess$")
	child.Env = append(os.Environ(), childMark+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	dir := ""
	for lines := bufio.NewScanner(out); dir == "" && lines.Scan(); {
		_, dir, _ = strings.Cut(lines.Text(), "folder ")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	if dir == "" {
		t.Fatal("the child did not start its cluster")
	}
	for {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return
		}
		if t.Context().Err() != nil {
			t.Fatalf("%s is still there", dir)
		}
		runtime.Gosched()
	}
}
