package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is what /proc counts processor time in: USER_HZ, which is 100 on every Linux.
const tick = 10 * time.Millisecond

// stat is what of /proc/PID/stat is used.
type stat struct {
	pid, parent int
	own         time.Duration // user and system time of the process
	reaped      time.Duration // that of its children that have ended
}

func readStat(pid int) (stat, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, err
	}
	_, rest, ok := strings.Cut(string(raw[bytes.LastIndexByte(raw, ')'):]), " ") // the name before may hold anything
	f := strings.Fields(rest)
	if !ok || len(f) < 15 {
		return stat{}, fmt.Errorf("/proc/%d/stat has another form than expected", pid)
	}
	n := func(i int) time.Duration {
		v, _ := strconv.ParseInt(f[i], 10, 64)
		return time.Duration(v)
	}
	return stat{pid: pid, parent: int(n(1)), own: (n(11) + n(12)) * tick, reaped: (n(13) + n(14)) * tick}, nil
}

// cpuOf is the processor time a process has used, its own and that of children that have ended.
func cpuOf(pid int) (time.Duration, error) {
	s, err := readStat(pid)
	return s.own + s.reaped, err
}

// cpuOfTree is cpuOf of a process and all that live below it: a Postgres server with its backends.
func cpuOfTree(root int) (time.Duration, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	all := map[int]stat{}
	for _, d := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(d)) // the pattern begins with a digit; 0 is nobody's
		if s, err := readStat(pid); err == nil { // it may have ended meanwhile
			all[pid] = s
		}
	}
	var sum time.Duration
	for _, s := range all {
		for at, seen := s.pid, 0; at > 1 && seen < 64; at, seen = all[at].parent, seen+1 {
			if at == root {
				sum += s.own + s.reaped
				break
			}
		}
	}
	return sum, nil
}

// rssOf is the resident memory of a process in bytes.
func rssOf(pid int) (int64, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(string(raw), "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status tells no VmRSS", pid)
}
