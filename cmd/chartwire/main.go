// Command chartwire files every exchange between a patient and a care team into the patient's chart. One file a
// subcommand; exit 0 good, 1 found a problem, 2 wrong use.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/chartwire/chartwire/cmd/demo"
)

// version is set by the release build: -ldflags "-X main.version=v1.2.3".
var version = "dev"

// Exit codes of DESIGN §6.
const (
	exitProblem = 1
	exitUse     = 2
)

// errFound says that the command ran and found a problem it has already told of.
var errFound = errors.New("a problem was found")

// errUse says that a command was asked for what cannot be, which only the configuration shows.
var errUse = errors.New("wrong use")

// streams are where a command writes; tests give their own.
type streams struct {
	out, err io.Writer
}

type cli struct {
	Serve     serveCmd     `cmd:"" help:"Run the connector."`
	Sandbox   sandboxCmd   `cmd:"" help:"Run the sandbox EHR and messaging platform alone."`
	Demo      demoCmd      `cmd:"" help:"Run the whole way of an exchange against sandboxes and read the chart back."`
	Config    configCmd    `cmd:"" help:"Check, print or describe the configuration."`
	Map       mapCmd       `cmd:"" help:"Print the exact requests an EHR would get for a thread file. No network, no secret."`
	Doctor    doctorCmd    `cmd:"" help:"Examine EHR connections: declared, granted, proven, and who must close which gap. Reads only; audited."`
	Trace     traceCmd     `cmd:"" help:"Show where a message is: every item, attempt and receipt. Audited."`
	Parked    parkedCmd    `cmd:"" help:"List what needs a person, and decide about it: replay, already-there, release, retract."`
	Relink    relinkCmd    `cmd:"" help:"Say which patient a thread is about: one held for its patient, or whose patient was merged. Audited."`
	Pause     pauseCmd     `cmd:"" help:"Stop filing toward an EHR, or sending to a channel; events are still taken."`
	Resume    resumeCmd    `cmd:"" help:"Let filing or sending go on."`
	Sessions  sessionsCmd  `cmd:"" help:"List or end the sessions of a user of the clinician's inbox. Audited."`
	Reconcile reconcileCmd `cmd:"" help:"Read the chart back and say what is missing, edited, doubled or on a wrong chart. Reads only; audited."`
	Restored  restoredCmd  `cmd:"" help:"Say that the database is a restored backup: nothing is filed again without looking for it first."`
	Audit     auditCmd     `cmd:"" help:"Verify the audit log."`
	Keys      keysCmd      `cmd:"" help:"Make, list or rotate the sealing keys."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdout, os.Stderr}))
}

// run is main with everything given, so that tests call it in process.
func run(ctx context.Context, args []string, s streams) int {
	var c cli
	code := -1
	parser, err := kong.New(&c, kong.Name("chartwire"), kong.Description("Files every exchange between a patient and a care team into the patient's chart."),
		kong.Writers(s.out, s.err), kong.UsageOnError(), kong.Vars{"ehrs": strings.Join(demo.Types(), ", ")}, kong.Exit(func(n int) { code = n }))
	if err != nil {
		fmt.Fprintln(s.err, "chartwire:", err)
		return exitUse
	}
	parsed, err := parser.Parse(args)
	if code >= 0 { // --help
		return code
	}
	if err != nil {
		fmt.Fprintln(s.err, "chartwire:", err)
		fmt.Fprintln(s.err, "See: chartwire --help")
		return exitUse
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.Bind(s)
	switch err := parsed.Run(); {
	case err == nil:
		return 0
	case errors.Is(err, errFound):
		return exitProblem
	case errors.Is(err, errUse):
		fmt.Fprintln(s.err, "chartwire:", err)
		return exitUse
	default:
		fmt.Fprintln(s.err, "chartwire:", err)
		return exitProblem
	}
}

type versionCmd struct{}

func (versionCmd) Run(s streams) error {
	fmt.Fprintln(s.out, version)
	return nil
}
