package app

import (
	"context"
	"errors"

	"github.com/pxe-pilot/pxe-pilot/internal/cli"
	"github.com/pxe-pilot/pxe-pilot/internal/config"
)

// check is "pxe-pilot check": the configuration file, then the TFTP root.
func check(_ context.Context, path string) ([]cli.Finding, error) {
	var found []cli.Finding
	problems := func(severity cli.Severity, list []config.Problem) {
		for _, p := range list {
			found = append(found, cli.Finding{Severity: severity, Where: p.Where(), Message: p.Message})
		}
	}
	c, err := load(path)
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
		return append(found, cli.Finding{Severity: cli.Error, Where: path, Message: err.Error()}), nil
	}
	for _, f := range s.root.Audit(s.site.Inventory) {
		severity := cli.Warning
		if f.Error {
			severity = cli.Error
		}
		found = append(found, cli.Finding{Severity: severity, Where: f.Path, Message: f.Message})
	}
	return found, nil
}
