//go:build !unix

package store

import (
	"errors"
	"os"
)

// lockFile cannot keep a second process out here, so the SQLite store is refused.
func lockFile(*os.File) error {
	return errors.New("this system has no flock: use Postgres")
}
