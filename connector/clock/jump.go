//go:build !crashpoints

package clock

import "time"

// jumped is how far a test has moved the wall clock; only builds for fault tests have it moved.
func jumped() time.Duration { return 0 }
