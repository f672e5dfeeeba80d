module infra

go 1.23
