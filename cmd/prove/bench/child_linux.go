package bench

import "syscall"

// dieWithUs makes a child end when we do, even by SIGKILL.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
