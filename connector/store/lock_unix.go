//go:build unix

package store

import (
	"os"
	"syscall"
)

// lockFile locks a file for this process until it is closed, also by the process's end. It does not wait.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) //nolint:gosec // a descriptor fits an int
}
