-- listings_to_ask: the listings whose calendar is read: those that are neither archived nor deleted.
SELECT id FROM hostaway.listings
WHERE account_id = %(account_id)s AND deleted_at IS NULL AND special_status IS DISTINCT FROM 'archived'
ORDER BY id
