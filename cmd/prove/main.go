// Command prove runs Chartwire against every fault that can be staged and prints what it measured, a figure a line:
// `figure ID VALUE LIMIT ok|short|noisy`. Exit 0 good, 1 a figure is short or a run failed, 2 wrong use. It is what the
// make targets crash, powercut, faults, sim and bench call; docs/reliability.md tells what each figure promises.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/chartwire/chartwire/cmd/prove/figure"
)

type cli struct {
	Powercut   powercutCmd   `cmd:"" help:"Cut the power under the stores; nothing acknowledged may be lost."`
	Bench      benchCmd      `cmd:"" help:"Measure what Chartwire costs, in ratios to what has to be done at least."`
	Faults     faultsCmd     `cmd:"" help:"Take the store away, lose answers, shuffle, wedge: P2, P3, P4, P5."`
	Table      tableCmd      `cmd:"" help:"Make the table of docs/figures.md of files of figures."`
	BenchRelay benchRelayCmd `cmd:"" hidden:"" name:"bench-relay"`
	Restore    restoreCmd    `cmd:"" help:"Restore a day-old backup: nothing comes twice (P24)."`
	Crash      crashCmd      `cmd:"" help:"Kill and stop the processes; nothing acknowledged may be lost, nothing doubled."`
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	parser := kong.Must(&c, kong.Name("prove"), kong.Description("Measures what Chartwire promises."), kong.UsageOnError())
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "prove:", err)
		return 2
	}
	book := &figure.Book{Out: os.Stdout, Command: "prove " + strings.Join(args, " "), File: os.Getenv("FIGURES")}
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.Bind(book)
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "prove:", err)
		return 1
	}
	if err := book.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "prove:", err)
		return 1
	}
	return 0
}
