//go:build linux

// Package disktest gives a test a small disk of its own, to fill or to make read-only.
package disktest

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// folder names, in a child of a test, the folder its disk is mounted on.
const folder = "CHARTWIRE_TEST_DISK"

// sysAdmin is CAP_SYS_ADMIN, the right to mount.
const sysAdmin = 21

// Run runs test in a child process whose temporary folder is a disk of this size (as mount takes it: 3m), which nobody else
// sees and which is gone with it. disk is that folder. It must be all that the calling test does.
func Run(t *testing.T, size string, test func(t *testing.T, disk string)) {
	t.Helper()
	if disk := os.Getenv(folder); disk != "" {
		if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "mode=755,size="+size); err != nil {
			t.Fatalf("no disk of %s can be mounted here: %v", size, err)
		}
		t.Setenv("TMPDIR", disk)
		test(t, disk)
		return
	}
	disk, err := os.MkdirTemp("", "disk") // beside the test's own folder, which a server of another user could not enter
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(disk)
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), folder+"="+disk)
	child.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 { // in a user namespace of one's own one may mount, and Postgres runs, as oneself
		child.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		child.SysProcAttr.AmbientCaps = []uintptr{sysAdmin}
		child.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		child.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	}
	out, err := child.CombinedOutput()
	if err != nil {
		t.Errorf("on a disk of %s: %v\n%s", size, err, out)
		return
	}
	t.Logf("%s", out)
}

// Fill writes a file until the disk has no room.
func Fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return
		}
	}
}
