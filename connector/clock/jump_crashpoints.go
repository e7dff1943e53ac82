//go:build crashpoints

package clock

import (
	"os"
	"strings"
	"time"
)

// jumpFile names the variable that names a file holding an offset such as +24h. Fault tests write it while the process
// runs; a file that is absent or empty moves nothing.
const jumpFile = "CHARTWIRE_CLOCK_JUMP"

// jumped is how far the test has moved the wall clock that a Steady reads. A file that cannot be read as a duration is a
// mistake of the test, and must not pass for a clock that stayed right.
func jumped() time.Duration {
	name := os.Getenv(jumpFile)
	if name == "" {
		return 0
	}
	text, err := os.ReadFile(name)
	by := strings.TrimSpace(string(text))
	if err != nil || by == "" {
		return 0
	}
	d, err := time.ParseDuration(by)
	if err != nil {
		panic("clock: " + jumpFile + " names a file that holds no duration such as +24h")
	}
	return d
}
