//go:build !linux

package bench

import "syscall"

// dieWithUs is Linux's: elsewhere there is no /proc to measure by either.
func dieWithUs() *syscall.SysProcAttr { return nil }
