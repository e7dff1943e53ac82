//go:build !linux

package rig

import "syscall"

// dieWithUs can only be asked for on Linux; elsewhere a child of a killed proof has to be ended by hand.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
