"""The keys that Hostaway's documentation names, by entity. Others are kept and counted as unknown, not refused.

Keys that hold secrets are missing here, because they are dropped before. A new key is added here once it is known what
it means.
"""

from collections.abc import Mapping
from types import MappingProxyType

_LISTINGS = """
    accountId address airbnbAccess airbnbCancellationPolicyId airbnbInteraction airbnbListingUrl airbnbName
    airbnbNeighborhoodOverview airbnbNotes airbnbOfficialListingMarkup airbnbSpace airbnbSummary airbnbTransit
    allowSameDayBooking averageReviewRating bathroomsNumber bathroomType bedroomsNumber bedsNumber bedType
    bookingCancellationPolicyId bookingcomPropertyDeclaresRevenue bookingcomPropertyDescription
    bookingcomPropertyHasVat bookingcomPropertyName bookingcomPropertyRegisteredInVcs bookingEngineMarkup
    bookingEngineUrls cancellationPolicy cancellationPolicyId checkInTimeEnd checkInTimeStart checkOutTime city
    cleaningFee cleaningInstruction cleannessStatus cleannessStatusUpdatedOn contactAddress contactEmail
    contactLanguage contactName contactPhone1 contactPhone2 contactSurName country countryCode currencyCode
    customFieldValues description externalListingName googleVrListingUrl guestBathroomsNumber guestNightlyTax
    guestPerPersonPerNightTax guestsIncluded guestStayTax homeawayApiMarkup homeawayListingUrl
    homeawayPropertyDescription homeawayPropertyHeadline homeawayPropertyName houseRules id insertedOn
    instantBookable instantBookableLeadTime insuranceEligibilityStatus internalListingName
    invoicingContactAddress invoicingContactCity invoicingContactCountry invoicingContactEmail
    invoicingContactLanguage invoicingContactName invoicingContactPhone1 invoicingContactPhone2
    invoicingContactSurName invoicingContactZipcode isRentalAgreementActive keyPickup language lat
    latestActivityOn listingAgreementText listingAmenities listingBedTypes listingFeeSetting listingImages
    listingSettings listingTags listingUnits lng marriottCancellationPolicyId marriottListingMarkup
    maxChildrenAllowed maxInfantsAllowed maxNights maxPetsAllowed minNights monthlyDiscount name
    partnersListingMarkup personCapacity price priceForExtraPerson propertyLicenseExpirationDate
    propertyLicenseIssueDate propertyLicenseNumber propertyLicenseType propertyRentTax propertyTypeId
    publicAddress refundableDamageDeposit roomType sameDayBookingLeadTime specialInstruction specialStatus
    squareMeters starRating state street thumbnailUrl timeZoneName updatedOn vrboCancellationPolicyId
    vrboListingUrl weeklyDiscount wifiUsername zipcode
"""
_RESERVATIONS = """
    accountId adults airbnbCancellationPolicy airbnbExpectedPayoutAmount airbnbListingBasePrice
    airbnbListingCancellationHostFee airbnbListingCancellationPayout airbnbListingCleaningFee
    airbnbListingHostFee airbnbListingSecurityPrice airbnbOccupancyTaxAmountPaidToHost airbnbTotalPaidAmount
    airbnbTransientOccupancyTaxPaidAmount arrivalDate assigneeUserId bookingCancellationPolicy
    bookingcomBookerCompany bookingcomBookerName bookingcomIsGeniusMember bookingcomNoShowFeeWaived
    bookingcomNoShowReportedAt bookingcomSmokingPreference bookingcomSpecialRequests cancellationDate
    cancellationPolicy cancellationPolicyDetails cancellationPolicyId cancelledBy channelCommissionAmount
    channelId channelName channelReservationId checkInTime checkOutTime children claimStatus cleaningFee comment
    confirmationCode couponName currency customerUserId customFieldValues departureDate doorCodeVendor
    externalPropertyId externalRatePlanId externalUnitId financeField guestAddress guestCity guestCountry
    guestEmail guestExternalAccountId guestFirstName guestLastName guestLocale guestName guestNote guestPicture
    guestRecommendations guestTrips guestWork guestZipCode hasPullError hostawayCommissionAmount
    hostawayReservationId hostNote id infants insertedOn insurancePolicyId insuranceStatus isArchived
    isDatesUnspecified isGuestIdentityVerified isGuestVerifiedByEmail isGuestVerifiedByFacebook
    isGuestVerifiedByGovernmentId isGuestVerifiedByPhone isGuestVerifiedByReviews isGuestVerifiedByWorkEmail
    isInitial isInstantBooked isManuallyChecked isPaid isPinned isProcessed isStarred latestActivityOn
    listingMapId listingName manualIcalId manualIcalName marriottCancellationPolicy nights numberOfGuests
    originalChannel paymentMethod paymentStatus pendingExpireDate pets phone previousArrivalDate
    previousDepartureDate remainingBalance rentalAgreementFileUrl reservationAgreement reservationCouponId
    reservationDate reservationFees reservationId reservationUnit securityDepositFee source status stripeGuestId
    taxAmount totalPrice updatedOn vrboCancellationPolicy
"""
_CONVERSATIONS = """
    accountId guestEmail hasUnreadMessages hostEmail id insertedOn listingMapId messageReceivedOn messageSentOn
    recipientEmail recipientName recipientPicture reservationId type updatedOn
"""
_MESSAGES = """
    accountId airbnbThreadMessageId attachments body channelThreadMessageId communicationAlwaysTrigger
    communicationApplyListingTimeZone communicationEvent communicationId communicationTimeDelta
    communicationType conversationId date hash id imagesUrls insertedOn isIncoming isSeen listingMapId
    listingTimeZoneName reservationId sentChannelDate sentUsingHostaway status updatedOn
"""

KNOWN_KEYS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "listings": frozenset(_LISTINGS.split()),
        "reservations": frozenset(_RESERVATIONS.split()),
        "conversations": frozenset(_CONVERSATIONS.split()),
        "messages": frozenset(_MESSAGES.split()),
    }
)
