//go:build linux

package app_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/store/disktest"
)

// said is the event of a message of n KiB.
func said(id string, kib int) string {
	return strings.ReplaceAll(strings.ReplaceAll(itches, `"m-1"`, `"`+id+`"`), "It itches badly.", strings.Repeat("It itches.", kib*100))
}

// TestFullDisk: while the disk is full nothing is acknowledged, and with room again the same process takes the same events.
func TestFullDisk(t *testing.T) { disktest.Run(t, "3m", fullDisk) }

func fullDisk(t *testing.T, disk string) {
	h := newHouse(t)
	h.run()
	acked := map[string]bool{}
	post := func(n int) (int, string) {
		id := fmt.Sprint("e-", n)
		status, body := h.post(id, said(fmt.Sprint("m-", n), 2), channelKey, clock.System.Now())
		if status == http.StatusAccepted {
			acked[id] = true
		}
		return status, body
	}
	if status, body := post(0); status != http.StatusAccepted {
		t.Fatalf("with room: %d %s", status, body)
	}
	filler := filepath.Join(disk, "filler")
	disktest.Fill(t, filler)
	refused := 0
	for n := 1; n < 300 && refused < 20; n++ {
		switch status, body := post(n); status {
		case http.StatusServiceUnavailable:
			refused++
			if !strings.Contains(body, `"code":"store"`) {
				t.Errorf("refused with %s", body)
			}
		case http.StatusAccepted: // into the log's last free page
		default:
			t.Fatalf("event %d was answered %d %s", n, status, body)
		}
	}
	if refused < 20 {
		t.Fatalf("%d events were refused: the disk was not full", refused)
	}
	if status, _ := h.ask("GET", h.app.Console()+"/readyz", ""); status != http.StatusServiceUnavailable {
		t.Errorf("readyz answered %d on a full disk", status)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	repaired := clock.System.Now()
	for n := 1; ; {
		status, body := post(n)
		if status == http.StatusAccepted || status == http.StatusOK {
			break
		}
		if clock.System.Now().Sub(repaired) > 5*time.Second {
			t.Fatalf("5 s after there was room: %d %s", status, body)
		}
	}
	t.Logf("recovered after %v; %d events were acknowledged, %d refused", clock.System.Now().Sub(repaired), len(acked), refused)
	h.close()
	h.run()
	for id := range acked {
		if status, _ := h.post(id, said("m-"+strings.TrimPrefix(id, "e-"), 2), channelKey, clock.System.Now()); status != http.StatusOK {
			t.Errorf("%s was acknowledged, and after a restart it is answered %d: it was lost", id, status)
		}
	}
}

// TestReadOnlyFolder: a store that cannot be written is told at the start, with what to do.
func TestReadOnlyFolder(t *testing.T) { disktest.Run(t, "3m", readOnlyFolder) }

func readOnlyFolder(t *testing.T, disk string) {
	h := newHouse(t)
	h.run()
	if status, _ := h.post("e-1", itches, channelKey, clock.System.Now()); status != http.StatusAccepted {
		t.Fatalf("answered %d", status)
	}
	h.close()
	remount := func(flags uintptr) {
		t.Helper()
		if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(syscall.MS_RDONLY)
	err := h.open()
	remount(0) // the test itself wants to tidy up
	if err == nil || !strings.Contains(err.Error(), "is on a file system mounted read-only: mount it writable") {
		t.Errorf("the start said: %v", err)
	}
	h.run()
	if status, _ := h.post("e-1", itches, channelKey, clock.System.Now()); status != http.StatusOK {
		t.Errorf("after the repair the same event is answered %d", status)
	}
}
