package store

import (
	"errors"
	"strings"
	"syscall"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h: how long sent data may stay unacknowledged, in milliseconds.
const tcpUserTimeout = 18

// giveUp makes a connection fail when its peer is silent for pgSilent, where the kernel's own patience is a quarter of an
// hour. A Unix socket has no peer that could fall silent so.
func giveUp(network, _ string, c syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var set error
	err := c.Control(func(fd uintptr) {
		set = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(pgSilent.Milliseconds())) //nolint:gosec // a descriptor fits an int
	})
	return errors.Join(err, set)
}
