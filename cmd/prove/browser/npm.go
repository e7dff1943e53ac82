package browser

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Package is one version of a package on npm that nobody here wrote, and what its archive has to be.
type Package struct {
	Name, Version string
	Integrity     string // as npm writes it: sha512-, base64
}

// The packages the tests use: a checker of accessibility, and the SMART client for browsers.
var (
	axeCore    = Package{"axe-core", "4.14.1", "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="}
	fhirClient = Package{"fhirclient", "2.6.3", "sha512-CirZixcwWelbkIXxpxlNQx5+ZdJirl6F1s4y4yvA1X7hHAkr9n99aVHaMi0wX+97nATjKQ65X6NB5as/wZoJzg=="}
)

// File reads a file of the package, such as axe.min.js. The archive is kept in the folder dir; where it is not there yet, npm
// fetches it, and nothing of it is run or unpacked. An archive other than Integrity says is refused.
func (p Package) File(ctx context.Context, dir, file string) ([]byte, error) {
	archive := filepath.Join(dir, p.Name+"-"+p.Version+".tgz")
	packed, err := os.ReadFile(archive)
	if errors.Is(err, os.ErrNotExist) {
		if err = p.fetch(ctx, dir); err == nil {
			packed, err = os.ReadFile(archive)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("browser: %s %s of npm is not to be had: %w", p.Name, p.Version, err)
	}
	sum := sha512.Sum512(packed)
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum[:]); got != p.Integrity {
		return nil, fmt.Errorf("browser: %s is not %s %s: it has %s; delete it", archive, p.Name, p.Version, got)
	}
	return unpack(packed, "package/"+file)
}

func (p Package) fetch(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", dir, p.Name+"@"+p.Version).CombinedOutput()
	if err != nil {
		return fmt.Errorf("npm pack: %w: %s", err, out)
	}
	return nil
}

// unpack finds one file in a gzipped tar archive.
func unpack(packed []byte, name string) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("browser: the package has no file %s", name)
		case err != nil:
			return nil, err
		case h.Name == name:
			return io.ReadAll(r)
		}
	}
}
