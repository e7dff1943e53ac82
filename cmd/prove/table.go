package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/chartwire/chartwire/cmd/prove/figure"
)

type tableCmd struct {
	Files []string `arg:"" type:"existingfile" help:"Files that runs with FIGURES=FILE have written."`
}

// Run prints a Markdown table of the latest value of each figure.
func (c tableCmd) Run() error {
	latest := map[string]figure.Entry{}
	for _, name := range c.Files {
		if err := readFigures(name, latest); err != nil {
			return err
		}
	}
	writeTable(os.Stdout, latest)
	return nil
}

func readFigures(name string, latest map[string]figure.Entry) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		var e figure.Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("%s:%d: not a figure: %w", name, n, err)
		}
		if !e.At.Before(latest[e.ID].At) {
			latest[e.ID] = e
		}
	}
	return lines.Err()
}

func writeTable(w io.Writer, latest map[string]figure.Entry) {
	all := make([]figure.Entry, 0, len(latest))
	for _, e := range latest {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b figure.Entry) int { return byRow(a.ID, b.ID) })
	fmt.Fprintln(w, "| figure | value | limit | | measured | by | |\n|---|---|---|---|---|---|---|")
	for _, e := range all {
		value := strings.TrimSpace(strconv.FormatFloat(e.Value, 'g', 5, 64) + " " + e.Unit)
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | `%s` | %s |\n", e.ID, value, e.Limit, e.Verdict(), e.At.Format("2006-01-02 15:04"), e.Command, e.Note)
	}
}

// byRow sorts P2 before P10.
func byRow(a, b string) int {
	row := func(id string) (string, int) {
		letters := strings.TrimRight(strings.SplitN(id, "-", 2)[0], "0123456789")
		n, _ := strconv.Atoi(strings.TrimPrefix(strings.SplitN(id, "-", 2)[0], letters))
		return letters, n
	}
	la, na := row(a)
	lb, nb := row(b)
	if la != lb {
		return strings.Compare(la, lb)
	}
	if na != nb {
		return na - nb
	}
	return strings.Compare(a, b)
}
