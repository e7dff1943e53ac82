//go:build crashpoints

package crash

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
)

// On says whether this build can be ended at its points.
const On = true

var (
	kill, killing  = read("CRASHPOINT")
	stop, stopping = read("PAUSEPOINT")

	killPassed, stopPassed atomic.Uint64
)

// read ends the process where the variable names no point: a proof that stages nothing must not look like one that does.
func read(variable string) (where, bool) {
	text, set := os.LookupEnv(variable)
	if !set || text == "" {
		return where{}, false
	}
	w, err := parse(variable, text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return w, true
}

// At ends or stops the process where the environment asks for it at this point.
func At(point string) {
	if killing && point == kill.point && killPassed.Add(1) == kill.n {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // cannot fail toward oneself
		select {}                                      // nothing more happens here, whichever thread dies first
	}
	if stopping && point == stop.point && stopPassed.Add(1)%stop.n == 0 {
		pause()
	}
}

// Synchronous is the SQLite setting in place of FULL that a control run asks for, to show that the proof would see a loss;
// "" for none.
func Synchronous() string { return os.Getenv("CRASH_SQLITE_SYNCHRONOUS") }
