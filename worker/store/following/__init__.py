"""Following accepted messages: receipts, failed texts, phones, and the gateway's clock."""
