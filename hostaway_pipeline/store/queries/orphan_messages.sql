-- orphan_messages: live messages whose conversation is missing or deleted, per active account.
--
-- Messages are stored with or after their conversation and deleted with it: one that is left alone shows a gap.
SELECT message.account_id, count(*)
FROM hostaway.messages AS message
JOIN hostaway.accounts AS account USING (account_id)
LEFT JOIN hostaway.conversations AS conversation
    ON conversation.account_id = message.account_id
    AND conversation.id = message.conversation_id
    AND conversation.deleted_at IS NULL
WHERE account.is_active AND message.deleted_at IS NULL AND conversation.id IS NULL
GROUP BY message.account_id
ORDER BY message.account_id
