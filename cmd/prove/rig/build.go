package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build compiles chartwire into the folder and gives the binary's path. With points it can be ended at the points of
// package crash. It needs the module's source: the working directory is in it.
func Build(ctx context.Context, dir string, points bool) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	root := filepath.Dir(strings.TrimSpace(string(out)))
	if err != nil || root == "." || root == os.DevNull {
		return "", errors.Join(errors.New("the proof builds chartwire itself: run it inside Chartwire's source, with go on PATH"), err)
	}
	binary := filepath.Join(dir, "chartwire")
	args := []string{"build", "-trimpath", "-o", binary}
	if points {
		args = append(args, "-tags", "crashpoints")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/chartwire")...)
	cmd.Dir = root
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("chartwire could not be built: %w\n%s", err, said)
	}
	return binary, nil
}
