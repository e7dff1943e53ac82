package rig

import "syscall"

// dieWithUs makes a child end when we do, even by SIGKILL.
func dieWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
