package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a time zone must load on a machine without a zone database
)

// Size is a number of bytes, written as 25MB, 512KiB or a plain number. KB, MB and GB are powers of 1000; KiB, MiB and
// GiB of 1024.
type Size int64

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// sizePattern and durationPattern are the written forms, for the schema.
const (
	sizePattern     = `^[0-9]+(B|KB|MB|GB|KiB|MiB|GiB)?$`
	durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
)

var (
	sizeRegexp     = regexp.MustCompile(sizePattern)
	durationRegexp = regexp.MustCompile(durationPattern)
)

// ParseSize reads the written form of a Size.
func ParseSize(s string) (Size, error) {
	bad := errors.New(`is not a size; write a number and B, KB, MB, GB, KiB, MiB or GiB, such as 25MB`)
	if !sizeRegexp.MatchString(s) {
		return 0, bad
	}
	unit := int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			s, unit = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return 0, bad
	}
	return Size(n * unit), nil
}

// String is the shortest exact written form.
func (s Size) String() string {
	for _, u := range []string{"GB", "GiB", "MB", "MiB", "KB", "KiB"} {
		for _, unit := range sizeUnits {
			if unit.suffix == u && s != 0 && int64(s)%unit.bytes == 0 {
				return strconv.FormatInt(int64(s)/unit.bytes, 10) + u
			}
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// parseDuration reads the written form of a duration; there is no unit for a day and none is guessed.
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || !durationRegexp.MatchString(s) {
		return 0, errors.New(`is not a duration; write a number and ms, s, m or h, such as 30s or 24h`)
	}
	return d, nil
}

// formatDuration is the short written form: 1h, not 1h0m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// loadTimezone is time.LoadLocation without the two names that depend on the machine.
func loadTimezone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("time zone %q depends on the machine", name)
	}
	return time.LoadLocation(name)
}
