package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/cli"
	"github.com/pxe-pilot/pxe-pilot/internal/config"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// check is "pxe-pilot check": the configuration file, then the TFTP root, then,
// where that is wanted, what TFTP servers make of it.
func check(ctx context.Context, o cli.CheckOptions) ([]cli.Finding, error) {
	var found []cli.Finding
	problems := func(severity cli.Severity, list []config.Problem) {
		for _, p := range list {
			found = append(found, cli.Finding{Severity: severity, Where: p.Where(), Message: p.Message})
		}
	}
	c, err := load(o.Config)
	var wrong config.Errors
	if errors.As(err, &wrong) {
		problems(cli.Error, wrong)
		problems(cli.Warning, c.Warnings)
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	problems(cli.Warning, c.Warnings)
	s, err := assemble(c, nil)
	if err != nil {
		return append(found, cli.Finding{Severity: cli.Error, Where: o.Config, Message: err.Error()}), nil
	}
	for _, f := range s.root.Audit(s.site.Inventory) {
		severity := cli.Warning
		if f.Error {
			severity = cli.Error
		}
		found = append(found, cli.Finding{Severity: severity, Where: f.Path, Message: f.Message})
	}
	p := pilot.New(func() *pilot.Site { return s.site }, func() error { return nil }, pilot.Options{Timing: pilot.Timing{Verification: checkTime}})
	if configurations, err := p.Configurations(ctx); err == nil { // else the audit says so
		for _, text := range missingSettings(s.site.Rules, configurations) {
			found = append(found, cli.Finding{Severity: cli.Warning, Where: o.Config, Message: text})
		}
	}
	explained, err := p.ExplainAll(ctx, o.Verify)
	switch {
	case ctx.Err() != nil: // half of what is wrong would pass for all of it
		return nil, ctx.Err()
	case err != nil && (o.Verify || len(found) == 0):
		return append(found, cli.Finding{Severity: cli.Error, Where: o.Config, Message: pxepilot.ErrorMessage(err)}), nil
	case err != nil: // the audit said so
		return found, nil
	}
	found = completed(found, s.root.Path(), explained)
	if o.Verify {
		for i, server := range s.site.Servers {
			found = append(found, unservedBy(i, server.Address(), explained)...)
		}
	}
	return found, nil
}

// missingSettings tells which configurations are not there that the settings of others name.
func missingSettings(rules map[string]pxepilot.Rule, configurations []pxepilot.Configuration) []string {
	var names, missing []string
	for _, c := range configurations {
		names = append(names, c.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if then := rules[name].Then; !slices.Contains(names, then) {
			missing = append(missing, fmt.Sprintf("configuration.settings: what comes after %s, the configuration %s, is not there, so that deploys of it are refused%s",
				pxepilot.Quote(name), pxepilot.Quote(then), pxepilot.DidYouMean(then, names)))
		}
		if !slices.Contains(names, name) {
			missing = append(missing, fmt.Sprintf("configuration.settings: the configuration %s is not there%s", pxepilot.Quote(name), pxepilot.DidYouMean(name, names)))
		}
	}
	return missing
}

// checkTime is for all hosts of a large site and servers that are slow.
const checkTime = 10 * time.Minute

// mostTold is how many hosts are told of each server. Nobody reads more, and the
// reason is the same for most of them.
const mostTold = 10

// unservedBy tells of one server, by its index, which hosts do not get from it
// what is on the disk. That it cannot be asked is told once.
func unservedBy(server int, address string, explained []pxepilot.Explanation) []cli.Finding {
	var found []cli.Finding
	tell := func(format string, args ...any) {
		found = append(found, cli.Finding{Severity: cli.Error, Where: address, Message: fmt.Sprintf(format, args...)})
	}
	more := 0
	var reasons []string // why it was not asked
	unasked := map[string]int{}
	for _, e := range explained {
		at := slices.IndexFunc(e.Searches, func(s pxepilot.Search) bool { return !s.Servers[server].Served })
		if at < 0 {
			continue
		}
		s := e.Searches[at]
		switch v := s.Servers[server]; {
		case v.Err != nil:
			why := pxepilot.ErrorMessage(v.Err)
			if unasked[why]++; unasked[why] == 1 {
				reasons = append(reasons, why)
			}
		case len(found) < mostTold:
			tell("host %s, booting by %s and %s, is given %s", pxepilot.Quote(e.Status.Host.Name), s.MAC, s.Bootloader, v.Got)
		default:
			more++
		}
	}
	if more > 0 {
		tell("hosts that are not given what is on the disk, besides: %d", more)
	}
	for _, why := range reasons {
		tell("%s; hosts that it was not asked for, for that reason: %d", why, unasked[why])
	}
	return found
}
