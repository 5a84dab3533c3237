package app

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/config"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/program"
	"github.com/pxe-pilot/pxe-pilot/internal/tftp"
)

// tftpServers are those that machines boot from, where the file names any.
func tftpServers(c config.TFTP) ([]pilot.TFTPServer, error) {
	var servers []pilot.TFTPServer
	for _, address := range c.Addresses {
		s, err := tftp.New(address, c.Root)
		if err != nil {
			return nil, fmt.Errorf("tftp.address: %w", err)
		}
		servers = append(servers, s)
	}
	return servers, nil
}

// afterSwitch is what is to be done once links were changed; nil for nothing.
func afterSwitch(c *config.Config) (func(context.Context) error, error) {
	if c.Deploy.AfterSwitch == "" {
		return nil, nil
	}
	words, err := program.Split(c.Deploy.AfterSwitch)
	if err != nil {
		return nil, fmt.Errorf("deploy.after_switch %w", err)
	}
	return func(ctx context.Context) error {
		p := program.Program{Name: "the command", Words: words, Env: []string{"PXE_PILOT_ROOT=" + c.TFTP.Root}}
		if _, err := p.Run(ctx); err != nil {
			return pxepilot.Errorf(pxepilot.Unavailable, "%s", err)
		}
		return nil
	}, nil
}

// during is what is to be done after a switch, as long as the server lives: it is
// cut off with that, and the log says so, for who asked may be gone.
func during(alive context.Context, do func(context.Context) error, log *slog.Logger) func(context.Context) error {
	if do == nil {
		return nil
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(alive, cancel)()
		err := do(ctx)
		if err == nil || alive.Err() == nil {
			return err
		}
		log.Error("deploy.after_switch was cut off, for the server stopped", "error", err)
		return pxepilot.Errorf(pxepilot.Unavailable, "it was cut off, for the server stopped").Because(err)
	}
}
