package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/client"
)

// A result is what a command prints to stdout.
type result struct {
	data  any      // the API's body, for json and yaml
	names []string // for name
	text  func(*bytes.Buffer)
}

// A format is a form of a result; a flag of the commands that print one.
type format string

var formats = []string{"table", "json", "yaml", "name"}

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "FORMAT" }
func (f *format) Set(s string) error {
	for _, known := range formats {
		if s == known {
			*f = format(s)
			return nil
		}
	}
	return errors.New("want " + strings.Join(formats[:len(formats)-1], ", ") + " or " + formats[len(formats)-1] + pxepilot.DidYouMean(s, formats))
}

// withOutput gives a command the option -o.
func withOutput(cmd *cobra.Command) *format {
	f := format("table")
	cmd.Flags().VarP(&f, "output", "o", "Print a table, json, yaml, or a name a line")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return &f
}

// listing has a command ask the server for all there is of a kind, and print it.
func listing[T any](p *program, cmd *cobra.Command, ask func(*client.Client, context.Context) ([]T, error), listed func([]T) result) *cobra.Command {
	form := withOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := p.connect(cmd)
		if err != nil {
			return err
		}
		all, err := ask(c, cmd.Context())
		if err != nil {
			return err
		}
		return p.print(*form, listed(all))
	}
	return cmd
}

// print writes a result in one piece.
func (p *program) print(f format, r result) error {
	var b bytes.Buffer
	switch f {
	case "json":
		if err := writeJSON(&b, r.data); err != nil {
			return err
		}
	case "yaml":
		if err := writeYAML(&b, r.data); err != nil {
			return err
		}
	case "name":
		for _, name := range r.names {
			b.WriteString(clean(name) + "\n")
		}
	default:
		r.text(&b)
	}
	_, _ = p.out.Write(b.Bytes())
	return nil
}

// writeJSON writes data indented. What no terminal should see is escaped, which
// means the same to whoever parses it.
func writeJSON(b *bytes.Buffer, data any) error {
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(data); err != nil {
		return err
	}
	for _, r := range raw.String() {
		switch {
		case r == '\n' || pxepilot.Printable(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(b, `\u%04x`, r)
		}
	}
	return nil
}

// clean escapes what must not reach a terminal as it is: control characters,
// invisible ones that change the look of what is around them, and bytes that
// are not UTF-8.
func clean(s string) string { return cleanBut(s, "") }

// cleanBut leaves the characters of keep as they are.
func cleanBut(s, keep string) string {
	plain := func(r rune, size int) bool {
		return (r != utf8.RuneError || size > 1) && (pxepilot.Printable(r) || strings.ContainsRune(keep, r))
	}
	var b strings.Builder
	done := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if !plain(r, size) {
			b.WriteString(s[done:i])
			quoted := strconv.Quote(s[i : i+size])
			b.WriteString(quoted[1 : len(quoted)-1])
			done = i + size
		}
		i += size
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// output remembers the first error of writing to stdout, so that only one place
// looks for it: a pipe that somebody closed is no error, a full disk is.
type output struct {
	to  io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.to.Write(b)
	o.err = err
	return n, err
}
