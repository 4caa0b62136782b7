"""The keys of Hostaway's objects with the value that most rows have. The generators add what varies between rows."""

from typing import Any

Payload = dict[str, Any]

RESERVATION_LISTS = ("customFieldValues", "reservationFees", "reservationUnit", "financeField")
LISTING_LISTS = ("listingAmenities", "listingBedTypes", "listingImages", "customFieldValues")

STATUSES = (
    "new", "modified", "cancelled", "ownerStay", "pending", "awaitingPayment", "declined", "expired", "unconfirmed",
    "awaitingGuestVerification", "inquiry", "inquiryPreapproved", "inquiryDenied", "inquiryTimedout",
    "inquiryNotPossible", "unknown",
)  # fmt: skip
CHANNELS = (
    (2018, "airbnbOfficial"), (2005, "bookingcom"), (2002, "homeaway"), (2000, "direct"), (2007, "expedia"),
    (2013, "bookingengine"), (2020, "partner"),
)  # fmt: skip
UNSENT_STATUSES = ("awaiting", "paused", "cancelled_by_user", "cancelled_by_system", "failed")


def nulls(names: str) -> Payload:
    """Keys that are null in nearly every row."""
    return dict.fromkeys(names.split())


RESERVATION: Payload = {
    **nulls(
        "externalPropertyId externalRatePlanId externalUnitId assigneeUserId manualIcalId manualIcalName "
        "pendingExpireDate guestFirstName guestLastName guestExternalAccountId guestZipCode guestAddress guestCity "
        "guestPicture guestWork children infants pets previousArrivalDate previousDepartureDate paymentMethod "
        "stripeGuestId cancellationDate cancelledBy hostNote guestNote guestLocale comment "
        "airbnbExpectedPayoutAmount airbnbListingBasePrice airbnbListingCancellationHostFee "
        "airbnbListingCancellationPayout airbnbListingCleaningFee airbnbListingHostFee airbnbListingSecurityPrice "
        "airbnbOccupancyTaxAmountPaidToHost airbnbTotalPaidAmount airbnbTransientOccupancyTaxPaidAmount "
        "airbnbCancellationPolicy originalChannel customerUserId rentalAgreementFileUrl insurancePolicyId "
        "bookingCancellationPolicy vrboCancellationPolicy marriottCancellationPolicy bookingcomSpecialRequests "
        "bookingcomSmokingPreference bookingcomIsGeniusMember bookingcomBookerName bookingcomBookerCompany "
        "bookingcomNoShowReportedAt bookingcomNoShowFeeWaived securityDepositFee hostawayCommissionAmount"
    ),
    "source": "reservation",
    "isProcessed": 1,
    "isInitial": 0,
    "isManuallyChecked": 0,
    "isInstantBooked": 0,
    "hasPullError": 0,
    "guestRecommendations": 0,
    "guestTrips": 0,
    "isGuestIdentityVerified": 0,
    "isGuestVerifiedByEmail": 0,
    "isGuestVerifiedByWorkEmail": 0,
    "isGuestVerifiedByFacebook": 0,
    "isGuestVerifiedByGovernmentId": 0,
    "isGuestVerifiedByPhone": 0,
    "isGuestVerifiedByReviews": 0,
    "isDatesUnspecified": 0,
    "checkInTime": 15,
    "checkOutTime": 11,
    "doorCodeVendor": "vendor",
    "reservationAgreement": "not_required",
    "remainingBalance": 0,
    "insuranceStatus": "unknown",
    "claimStatus": "unknown",
    "cancellationPolicyId": 9,
    "cancellationPolicy": "moderate",
    "isStarred": 0,
    "isArchived": 0,
    "isPinned": 0,
    "ccExpirationMonth": "11",
    "ccExpirationYear": "2031",
}

# Keys that are null in a new reservation but set in older ones.
NEW_RESERVATION: Payload = nulls(
    "phone guestEmail guestCountry channelReservationId channelCommissionAmount isPaid adults cleaningFee taxAmount "
    "paymentStatus ccNumber cvc guestAuthHash doorCodeInstruction"
)

LISTING: Payload = {
    **nulls(
        "maxChildrenAllowed maxInfantsAllowed maxPetsAllowed airbnbCancellationPolicyId vrboCancellationPolicyId "
        "marriottCancellationPolicyId bookingCancellationPolicyId cleannessStatus cleaningInstruction "
        "cleannessStatusUpdatedOn propertyLicenseNumber propertyLicenseType propertyLicenseIssueDate "
        "propertyLicenseExpirationDate partnersListingMarkup airbnbOfficialListingMarkup bookingEngineMarkup "
        "homeawayApiMarkup marriottListingMarkup airbnbSpace airbnbAccess airbnbInteraction "
        "airbnbNeighborhoodOverview airbnbTransit airbnbNotes contactPhone2 invoicingContactPhone2 starRating"
    ),
    "propertyTypeId": 1,
    "description": "A quiet home close to everything.",
    "houseRules": "No parties.",
    "keyPickup": "At the reception",
    "specialInstruction": "",
    "averageReviewRating": 9.2,
    "weeklyDiscount": 0.71,
    "monthlyDiscount": 0.82,
    "propertyRentTax": 12,
    "guestPerPersonPerNightTax": 10,
    "guestStayTax": 12,
    "guestNightlyTax": 13,
    "guestBathroomsNumber": 2,
    "refundableDamageDeposit": 15,
    "checkInTimeStart": 15,
    "checkInTimeEnd": 21,
    "checkOutTime": 11,
    "cancellationPolicy": "strict",
    "cancellationPolicyId": 4010,
    "squareMeters": 45,
    "roomType": "entire_home",
    "bathroomType": "private",
    "bedType": "real_bed",
    "minNights": 1,
    "maxNights": 1125,
    "guestsIncluded": 3,
    "priceForExtraPerson": 54.01,
    "instantBookable": 0,
    "instantBookableLeadTime": 1,
    "allowSameDayBooking": 2,
    "sameDayBookingLeadTime": 12,
    "contactName": "Host",
    "contactSurName": "Hostsson",
    "contactPhone1": "+11122334456",
    "contactLanguage": "en",
    "contactEmail": "host@example.com",
    "contactAddress": "Main street 1",
    "language": "en",
    "wifiUsername": "guests",
    "homeawayPropertyHeadline": "A quiet home",
    "homeawayPropertyDescription": "A quiet home close to everything.",
    "bookingcomPropertyDescription": "A quiet home close to everything.",
    "invoicingContactName": "Host",
    "invoicingContactSurName": "Hostsson",
    "invoicingContactPhone1": "+11122334456",
    "invoicingContactLanguage": "en",
    "invoicingContactEmail": "invoice@example.com",
    "invoicingContactAddress": "Main street 1",
    "invoicingContactCity": "London",
    "invoicingContactZipcode": "110011",
    "invoicingContactCountry": "UK",
    "isRentalAgreementActive": True,
    "listingAgreementText": "",
    "bookingcomPropertyRegisteredInVcs": False,
    "bookingcomPropertyHasVat": False,
    "bookingcomPropertyDeclaresRevenue": False,
    "airbnbName": "",
    "airbnbSummary": "",
    "insuranceEligibilityStatus": False,
}

CONVERSATION: Payload = {
    "type": "host-guest-email",
    "recipientPicture": None,
    "hasUnreadMessages": 0,
}

MESSAGE: Payload = nulls(
    "communicationId airbnbThreadMessageId channelThreadMessageId communicationEvent communicationTimeDelta "
    "communicationApplyListingTimeZone communicationAlwaysTrigger"
)
