"""The workflows that come with Fanwise, one data file each; `fanwise.plans.registry` reads them."""
