//go:build crashpoints

package crash

import (
	"runtime"
	"syscall"
)

// pause stops the process. The signal goes to this very thread, so that it does not run on while another one takes it.
func pause() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_, _, _ = syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(syscall.Gettid()), uintptr(syscall.SIGSTOP))
}
